"""The models that a step is measured on: the paper's sizes and the miniature one, and stand-ins.

Without dropout, so that two loops with the same weights and batches have the same losses.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch
from transformers import InstructBlipConfig

from trainer.config.model import ModelOptions, Size
from trainer.errors import ModelError
from trainer.model.model import Model
from trainer.model.parts import is_encoder_decoder, qformer_part, text_part
from trainer.model.starts.build import wrap
from trainer.model.starts.configuration import paper_config
from trainer.model.starts.nano.files import nano_files
from trainer.model.starts.nano.start import nano_model
from trainer.model.starts.random_weights import default_dtype, random_model

SEED = 0
PAPER_SIZES: tuple[Size, ...] = get_args(Size)
VOCABULARY = 264  # bytes and the special tokens of `benchmarks.step.tokens`

Parts = Mapping[str, Mapping[str, Any]]

SMALL: Parts = {
    "vision_config": {
        "hidden_size": 96,
        "intermediate_size": 192,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": 48,
        "patch_size": 16,
        "initializer_range": 0.02,
    },
    "qformer_config": {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "cross_attention_frequency": 1,
        "vocab_size": VOCABULARY,
        "encoder_hidden_size": 96,
    },
    "text_config": {
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "initializer_range": 0.05,
    },
}
"""The sizes of the miniature model, which holds weights that have learned something."""

MIDDLE: Parts = {
    "vision_config": {
        **SMALL["vision_config"],
        "hidden_size": 256,
        "intermediate_size": 1024,
        "num_hidden_layers": 4,
        "image_size": 112,
    },
    "qformer_config": {
        **SMALL["qformer_config"],
        "hidden_size": 256,
        "intermediate_size": 1024,
        "num_hidden_layers": 4,
        "cross_attention_frequency": 2,
        "encoder_hidden_size": 256,
    },
    "text_config": {
        "model_type": "t5",
        "vocab_size": VOCABULARY,
        "d_model": 320,
        "d_kv": 64,
        "d_ff": 640,
        "num_heads": 5,
        "num_layers": 4,
        "num_decoder_layers": 4,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "decoder_start_token_id": 0,
    },
}
"""Large enough for arithmetic to be most of a step on a CPU."""

SHALLOW: Parts = {
    "vision_config": {
        "hidden_size": 1408,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 16,
        "image_size": 28,
        "patch_size": 14,
        "initializer_range": 0.02,
    },
    "qformer_config": {"vocab_size": 30523},
    "text_config": {
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": 2048,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 16,
    },
}
"""The paper's trained set (beside FlanT5-XL) in whole, and hardly any frozen part."""

STAND_INS = {"small": (SMALL, 8), "middle": (MIDDLE, 32), "shallow": (SHALLOW, 32)}
NAMES = ("nano", *STAND_INS, *PAPER_SIZES)


def has_nano() -> bool:
    """Return True if the miniature model's files are in the package."""
    try:
        return (nano_files(None) / "config.json").is_file()
    except ModelError:
        return False


def stand_in(name: str) -> InstructBlipConfig:
    parts, num_query_tokens = STAND_INS[name]
    return InstructBlipConfig(
        vision_config=dict(parts["vision_config"]),
        qformer_config=dict(parts["qformer_config"]),
        text_config=dict(parts["text_config"]),
        num_query_tokens=num_query_tokens,
        image_token_index=VOCABULARY - 1,
    )


def step_config(name: str) -> InstructBlipConfig:
    """The model's configuration, all dropout off."""
    if name in STAND_INS:
        config = stand_in(name)
    elif name == "nano":
        config = InstructBlipConfig.from_pretrained(nano_files(None))
    else:
        [size] = [size for size in PAPER_SIZES if size == name]
        config = paper_config(size)
    qformer = qformer_part(config)
    qformer.hidden_dropout_prob = qformer.attention_probs_dropout_prob = 0.0
    if is_encoder_decoder(config):
        text_part(config).dropout_rate = 0.0
    return config


def model_options(frozen_dtype: str, attention: str) -> ModelOptions:
    return ModelOptions.model_validate(
        {
            "init": {"from": "random", "config": "made up by benchmarks.step.models"},
            "frozen_dtype": frozen_dtype,
            "attention": attention,
            "qformer_dropout": 0.0,
        }
    )


def make_model(
    config: InstructBlipConfig, name: str, device: torch.device, options: ModelOptions
) -> Model:
    """Weights drawn from one seed on `device`; those of the miniature model's frozen parts are its own."""
    torch.manual_seed(SEED)
    dtype: torch.dtype = getattr(torch, options.frozen_dtype)
    with torch.device(device), default_dtype(dtype):
        hf = nano_model(config, nano_files(None)) if name == "nano" else random_model(config)
    return wrap(hf, options)


def save_config(name: str, folder: Path) -> Path:
    """A stand-in's `config.json`, for runs that start from `{from: random, config: ...}`."""
    stand_in(name).save_pretrained(folder)
    return folder / "config.json"
