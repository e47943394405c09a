"""Stage 0: the language model learns to answer from what stands in front of an instruction.

In front stands what a scene holds: in most batches a few *bundles*, one vector for each thing, the sum
of its words' embeddings, in order among empty ones; in the others a sentence. A soft prompt is of the
bundles' form. To find which attribute belongs to which thing takes two attention hops in a sentence,
and one in a bundle.

Even so a model of this size answers with anything that is there for as long as one has patience, if it
is trained on instructions alone. So it first learns to look up (drills: hardly a token that does not need
it), then to answer bare questions (lessons), then to understand the templates (instructions).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaForCausalLM

from datagen.sample.scenes import random_for
from pipelines.nano.optimize import Recipe, Say, optimize
from pipelines.nano.rows import TEXTS_PER_SCENE, Row, Writer, batches
from pipelines.nano.vocabulary import EOS, PAD

NUM_SLOTS = 8
_MAX_LENGTH = 96
_SENTENCE_SHARE = 0.1
_NOISE = 0.3
"""Of a bundle's own size, so that the model bears soft prompts that are not quite bundles."""


@dataclass(frozen=True, kw_only=True)
class LanguagePlan:
    """The three parts of the stage: to look up, to answer, to understand the templates."""

    drills: Recipe = field(default_factory=lambda: Recipe(steps=300, batch=64, learning_rate=2e-3))
    lessons: Recipe = field(default_factory=lambda: Recipe(steps=500, batch=64, learning_rate=2e-3))
    instructions: Recipe = field(
        default_factory=lambda: Recipe(steps=400, batch=160, learning_rate=2e-3)
    )


def pretrain_language(
    model: LlamaForCausalLM, writer: Writer, plan: LanguagePlan, say: Say
) -> dict[str, float]:
    """Train all of the model on drills, lessons and instructions; returns the last losses by part."""
    parts = {
        "drills": (plan.drills, _drills),
        "lessons": (plan.lessons, _lessons),
        "instructions": (plan.instructions, _instructions),
    }
    return {
        name: _train(model, name, make(writer, recipe), recipe, say)
        for name, (recipe, make) in parts.items()
    }


def _drills(writer: Writer, recipe: Recipe) -> list[Row]:
    return [writer.drill("nano_drills", n) for n in range(recipe.steps * recipe.batch)]


def _lessons(writer: Writer, recipe: Recipe) -> list[Row]:
    return [writer.lesson("nano_lessons", n) for n in range(recipe.steps * recipe.batch)]


def _instructions(writer: Writer, recipe: Recipe) -> list[Row]:
    num_scenes = -(-recipe.steps * recipe.batch // TEXTS_PER_SCENE) + recipe.batch
    made = (writer.instructions("nano_instructions", n) for n in range(num_scenes))
    return [row for rows in made for row in rows if len(row) <= _MAX_LENGTH]


def _train(model: LlamaForCausalLM, name: str, rows: list[Row], recipe: Recipe, say: Say) -> float:
    random = random_for(name)
    generator = torch.Generator().manual_seed(0)
    order = batches(rows, recipe.batch, random)
    model.train()

    def loss_of(step: int) -> Tensor:
        some = order[step % len(order)]
        as_sentence = random.random() < _SENTENCE_SHARE
        front = None if as_sentence else bundles(model, some, random, generator)
        return answer_loss(model, some, front)

    loss = optimize(name, model.parameters(), recipe, loss_of, say)
    model.train(False)
    return loss


def bundles(
    model: LlamaForCausalLM, rows: Sequence[Row], random: Random, generator: torch.Generator | None
) -> Tensor:
    """[rows, slots, width]: the things of each row, in order, in random slots; empty ones hold `</s>`."""
    slots = []
    for row in rows:
        filled: list[tuple[int, ...]] = [(EOS,)] * NUM_SLOTS
        places = sorted(random.sample(range(NUM_SLOTS), len(row.bundles)))
        for place, bundle in zip(places, row.bundles, strict=True):
            filled[place] = bundle
        slots.append(filled)
    width = max(len(slot) for row in slots for slot in row)
    ids = torch.tensor([[[*slot, *[PAD] * (width - len(slot))] for slot in row] for row in slots])
    embedded = model.get_input_embeddings()(ids) * (ids != PAD)[..., None]
    summed: Tensor = embedded.sum(2)
    if generator is None:
        return summed
    size = summed.detach().pow(2).mean(-1, keepdim=True).sqrt()
    return summed + _NOISE * size * torch.randn(summed.shape, generator=generator)


def answer_loss(model: LlamaForCausalLM, rows: Sequence[Row], front: Tensor | None) -> Tensor:
    """Mean cross-entropy per learned token."""
    logits, labels, _ = answer_logits(model, rows, front)
    return functional.cross_entropy(logits, labels)


def answer_logits(
    model: LlamaForCausalLM, rows: Sequence[Row], front: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits [learned tokens of all rows, vocabulary], their labels, and which row each is of.

    `front` [rows, slots, width] stands before the texts; without it the rows' sentences do. Rows are
    padded on the right, which a causal model needs no mask for.
    """
    before = [() if front is not None else row.sentence for row in rows]
    texts = [(*start, *row.text) for start, row in zip(before, rows, strict=True)]
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *[PAD] * (longest - len(text))] for text in texts])
    learned = torch.zeros(ids.shape, dtype=torch.bool)
    for number, (start, row) in enumerate(zip(before, rows, strict=True)):
        learned[number, len(start) : len(start) + len(row)] = torch.tensor(row.learned)
    states = model.get_input_embeddings()(ids)
    if front is not None:
        states = torch.cat([front, states], 1)
    hidden = model.model(inputs_embeds=states, use_cache=False).last_hidden_state
    row_of, place_of = learned.nonzero().T
    skipped = 0 if front is None else front.shape[1]
    said_from = hidden[row_of, place_of + skipped - 1]
    return model.lm_head(said_from), ids[learned], row_of
