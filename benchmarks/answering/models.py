"""Models of random weights for ranking, and questions with 64 candidates of 1 to 4 tokens."""

import json
from pathlib import Path

import torch
from transformers import LlamaConfig, T5Config

from trainer.config.model import ModelOptions
from trainer.evaluation.inference.adapter import ModelAdapter, ModelInput
from trainer.model.starts.build import build_model
from trainer.model.starts.tokenizers import load_tokenizers

KINDS = ("t5", "llama")
NUM_CANDIDATES, MOST_TOKENS, PROMPT_TOKENS = 64, 4, 32
SIDE, IMAGE_TOKEN, VOCABULARY, NUM_QUERIES = 224, 1999, 2000, 32


def adapter(
    kind: str,
    folder: Path,
    device: torch.device = torch.device("cpu"),  # noqa: B008 (a constant)
    dtype: torch.dtype = torch.float32,
) -> ModelAdapter:
    """An InstructBLIP of 13 to 16 million parameters: 6 layers of 256 in the language model."""
    path = folder / f"{kind}.json"
    path.write_text(json.dumps(config(kind)))
    init = {"from": "random", "config": str(path)}
    options = ModelOptions.model_validate({"init": init})
    model, tokenizers = build_model(options, seed=0), load_tokenizers(options)
    return ModelAdapter(model, tokenizers, device, dtype)


def config(kind: str) -> dict[str, object]:
    text = {
        "t5": T5Config(
            vocab_size=VOCABULARY,
            d_model=256,
            d_kv=32,
            num_heads=8,
            d_ff=512,
            num_layers=6,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            decoder_start_token_id=0,
        ),
        "llama": LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=256,
            intermediate_size=704,
            num_hidden_layers=6,
            num_attention_heads=8,
        ),
    }[kind]
    return {
        "model_type": "instructblip",
        "vision_config": {
            "hidden_size": 192,
            "intermediate_size": 768,
            "num_hidden_layers": 6,
            "num_attention_heads": 6,
            "image_size": SIDE,
            "patch_size": 28,
            "initializer_range": 0.02,
        },
        "qformer_config": {
            "hidden_size": 128,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "intermediate_size": 512,
            "vocab_size": VOCABULARY,
            "encoder_hidden_size": 192,
        },
        "text_config": text.to_dict(),
        "num_query_tokens": NUM_QUERIES,
        "image_token_index": IMAGE_TOKEN,
    }


def questions(
    model: ModelAdapter, count: int, num_candidates: int = NUM_CANDIDATES
) -> tuple[list[ModelInput], list[list[str]]]:
    """Prompts of 32 words about noise, and candidates for each; a word is a token."""
    words = sorted(word for word in model.tokenizers.language.get_vocab() if word.isalpha())
    generator = torch.Generator().manual_seed(0)

    def text(length: int) -> str:
        chosen = torch.randint(len(words), (length,), generator=generator).tolist()
        return " ".join(words[place] for place in chosen)

    requests, candidates = [], []
    for number in range(count):
        pixels = torch.randint(0, 256, (1, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
        requests.append(ModelInput(f"made up/{number}", text(PROMPT_TOKENS), pixels))
        lengths = torch.randint(1, MOST_TOKENS + 1, (num_candidates,), generator=generator)
        candidates.append([text(int(length)) for length in lengths])
    return requests, candidates
