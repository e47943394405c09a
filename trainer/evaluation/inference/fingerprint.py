"""Facts about a model for its results: sizes, special tokens, and a hash of its weights."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.model.model import CLIP_MEAN, CLIP_STD, Model
from trainer.model.parts import qformer_part, text_part
from trainer.model.tokens import Tokenizers
from trainer.model.trained import is_idle

PREPROCESSOR = "preprocessor_config.json"
PROCESSOR = "processor_config.json"
BICUBIC = 3
"""Pillow's number of the filter."""
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


def preprocessor_differences(folder: Path, side: int) -> list[str]:
    """Compare a checkpoint's image processor, which is not followed, with our preparation.

    Ours: the whole image becomes a square of `side` pixels, bicubic, normalised with CLIP's mean and standard
    deviation. Returns one text per key that asks for something else; a missing or unreadable file has none.
    """
    found = _read_preprocessor(folder)
    square = [side, {"height": side, "width": side}]
    ours: dict[str, list[Any]] = {
        "do_resize": [True],
        "do_rescale": [True],
        "do_normalize": [True],
        "do_center_crop": [False],
        "size": square,
        "resample": [BICUBIC],
        "image_mean": [list(CLIP_MEAN)],
        "image_std": [list(CLIP_STD)],
    }
    return [
        f"{key} {json.dumps(found[key])}"
        for key, same in ours.items()
        if found.get(key) is not None and found[key] not in same
    ]


def _read_preprocessor(folder: Path) -> Mapping[str, Any]:
    """Read the settings of a folder's image processor; newer transformers keep them in `processor_config.json`."""
    for name, key in ((PREPROCESSOR, None), (PROCESSOR, "image_processor")):
        try:
            found = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if key is not None and isinstance(found, dict):
            found = found.get(key)
        if isinstance(found, dict):
            return found
    return {}


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
