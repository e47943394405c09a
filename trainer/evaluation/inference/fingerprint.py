"""Facts about a model for its results: sizes, special tokens, and a hash of its weights."""

import hashlib
from typing import Any

import torch
from torch import Tensor

from trainer.model.model import Model
from trainer.model.parts import qformer_part, text_part
from trainer.model.tokens import Tokenizers
from trainer.model.trained import is_idle

WHOLE_BYTES = 2_000_000_000
NUM_SAMPLED = 65_536


def describe(model: Model, tokenizers: Tokenizers) -> dict[str, Any]:
    """Return what changes responses or tells models apart, as JSON values."""
    text = text_part(model.config)
    is_t5 = model.is_encoder_decoder
    return {
        "language_model": "t5" if is_t5 else "llama",
        "language_layers": text.num_layers if is_t5 else text.num_hidden_layers,
        "text_width": text.d_model if is_t5 else text.hidden_size,
        "reads_instruction": model.qformer_instruction,
        "parameters": _num_parameters(model),
        "image_side": model.image_side,
        "num_query_tokens": model.num_query_tokens,
        "max_instruction_tokens": tokenizers.max_instruction_tokens,
        "tokens": {
            "bos": tokenizers.bos,
            "eos": tokenizers.eos,
            "pad": tokenizers.pad,
            "image": tokenizers.image_token,
        },
    }


def _num_parameters(model: Model) -> int:
    """All but the text branch of a Q-Former that reads no text."""
    num_layers = qformer_part(model.config).num_hidden_layers
    return sum(
        parameter.numel()
        for name, parameter in model.hf.named_parameters()
        if model.qformer_instruction or not is_idle(name, num_layers, qformer_instruction=False)
    )


def weights_sha256(model: Model, whole_bytes: int = WHOLE_BYTES) -> str:
    """A hash over names, shapes and bytes of all parameters, in the dtype that they are in.

    Of a model of more than 2 GB it reads at most 65,536 values of each tensor, evenly spaced: enough to
    tell checkpoints apart, not to prove that no value was changed.
    """
    named = sorted(model.hf.named_parameters())
    whole = sum(p.numel() * p.element_size() for _, p in named) <= whole_bytes
    digest = hashlib.sha256()
    for name, parameter in named:
        flat = parameter.detach().flatten()
        if not whole:
            flat = flat[:: len(flat) // NUM_SAMPLED + 1]
        digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}\n".encode())
        digest.update(_bytes(flat))
    return digest.hexdigest()


def _bytes(values: Tensor) -> memoryview:
    return values.cpu().contiguous().view(torch.uint8).numpy().data
