"""Stage 2: the Q-Former learns to show the frozen language model what an image holds.

The analogue of BLIP-2's second stage, from which InstructBLIP starts: the Q-Former reads no
instruction (only `[CLS]`), and the language model says the full caption from the queries alone.
"""

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import InstructBlipForConditionalGeneration

from datagen.sample.scenes import make_scene
from pipelines.nano.images import pixels
from pipelines.nano.language import answer_loss
from pipelines.nano.optimize import Recipe, Say, optimize
from pipelines.nano.rows import Row
from pipelines.nano.texts import full_caption
from pipelines.nano.vision import features
from pipelines.nano.vocabulary import EOS, START

TRAINED = ("query_tokens", "qformer.", "language_projection.")


def pretrain_captioning(
    model: InstructBlipForConditionalGeneration,
    tokenizer: Tokenizer,
    recipe: Recipe,
    num_images: int,
    seed: int,
    say: Say,
) -> float:
    """Train queries, Q-Former and projection; returns the last mean loss per token."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(TRAINED))
    scenes = [make_scene(seed, "nano_captioning", index) for index in range(num_images)]
    seen = features(model.vision_model, pixels(scenes))
    targets = [tokenizer.encode(full_caption(s), add_special_tokens=False).ids for s in scenes]
    rows = [Row((), (), (*target, EOS), (True,) * (len(target) + 1)) for target in targets]
    generator = torch.Generator().manual_seed(seed)

    def loss_of(step: int) -> Tensor:
        some = torch.randint(len(rows), (recipe.batch,), generator=generator)
        front = soft_prompt(model, seen[some], torch.full((len(some), 1), START))
        return answer_loss(model.language_model, [rows[i] for i in some.tolist()], front)

    model.train(False)
    loss = optimize("captioning", model.parameters(), recipe, loss_of, say)
    model.requires_grad_(True)
    return loss


def soft_prompt(
    model: InstructBlipForConditionalGeneration, seen: Tensor, instructions: Tensor
) -> Tensor:
    """[rows, queries, language width] for features and instruction ids [rows, tokens] (0: padding)."""
    num_queries = model.config.num_query_tokens
    read = torch.cat(
        [torch.ones(len(seen), num_queries, dtype=torch.long), (instructions != 0).long()], 1
    )
    states = model.qformer(
        input_ids=instructions,
        attention_mask=read,
        query_embeds=model.query_tokens.expand(len(seen), -1, -1),
        encoder_hidden_states=seen,
        encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long),
    ).last_hidden_state
    prompt: Tensor = model.language_projection(states[:, :num_queries])
    return prompt
