"""The size of a run's model before its weights are read: parameters, memory and arithmetic."""

import re
from collections.abc import Iterator
from typing import get_args

import torch
from transformers import InstructBlipConfig

from trainer.config.model import ModelOptions, Size
from trainer.config.run import RunConfig
from trainer.errors import ModelError
from trainer.model.flops import Lengths, sample_flops
from trainer.model.model import Model
from trainer.model.starts.architecture import model_config
from trainer.model.starts.build import check_attention, wrap
from trainer.model.starts.configuration import paper_config
from trainer.model.starts.random_weights import random_model
from trainer.model.trained import ParameterCounts, count_parameters, trained_parameters
from trainer.run.engine import zero_stage

GIB = 1 << 30
_INSTRUCTION, _TARGET = 32, 16
"""Tokens of a usual sample: a short question and a short answer."""


def memory_by_stage(
    counts: ParameterCounts, frozen_bytes: int, copy_bytes: int, world_size: int
) -> dict[int, float]:
    """Return the bytes a process needs for weights, gradients and Adam, by ZeRO stage; activations come on top.

    A trained parameter has 12 bytes of fp32 weight and moments, divided over processes from stage 1; a
    gradient of `copy_bytes`, divided from stage 2; and in bf16 a copy of 2 bytes, which stage 3 divides as
    it divides the frozen weights.
    """
    copies = counts.trained * (copy_bytes if copy_bytes < 4 else 0)
    state, gradients = 12.0 * counts.trained, float(copy_bytes * counts.trained)
    shared = 1 / world_size
    return {
        0: frozen_bytes + copies + gradients + state,
        1: frozen_bytes + copies + gradients + state * shared,
        2: frozen_bytes + copies + (gradients + state) * shared,
        3: (frozen_bytes + copies + gradients + state) * shared,
    }


def outline(options: ModelOptions) -> Model:
    """The model without weights, on torch's meta device.

    Its sizes are those of the files that `options` name, or, where these are missing, those of the one of the
    paper's four models that a name in `options` contains, such as `flan-t5-xl` or `vicuna13b`.

    Raises:
        ModelError: neither is known, or the attention's package is missing.
    """
    check_attention(options)
    try:
        config = model_config(options)
    except ModelError:
        size = _size_by_name(options)
        if size is None:
            raise
        config = paper_config(size)
    return _empty(config, options)


def _empty(config: InstructBlipConfig, options: ModelOptions) -> Model:
    config.image_token_index = config.image_token_index or 0
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, options.frozen_dtype))
    try:
        with torch.device("meta"):
            return wrap(random_model(config), options)
    finally:
        torch.set_default_dtype(before)


def _size_by_name(options: ModelOptions) -> Size | None:
    """The longest of the paper's names that a value of `init` contains: `flan_t5_xxl` before `flan_t5_xl`."""
    texts = [_letters(str(value)) for value in options.init.model_dump().values()]
    sizes: list[Size] = sorted(get_args(Size), key=len, reverse=True)
    return next((size for size in sizes if any(_letters(size) in text for text in texts)), None)


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def describe_model(config: RunConfig, model: Model, world_size: int) -> Iterator[tuple[str, str]]:
    """Yield names and texts: parameters, memory by ZeRO stage, arithmetic of a sample."""
    counts = count_parameters(model)
    yield (
        "parameters",
        f"{counts.paper:,} in the paper's trained set, {counts.trained:,} in the optimizer (the last text "
        f"feed-forward never gets a gradient), {counts.frozen:,} frozen",
    )
    low = config.precision.compute == "bf16"
    trained = trained_parameters(model)
    frozen = sum(
        p.numel() * (2 if low else p.element_size())
        for name, p in model.hf.named_parameters()
        if name not in trained
    )
    if not low:
        frozen += 4 * counts.trained
    memory = memory_by_stage(counts, frozen, 2 if low else 4, world_size)
    stage = zero_stage(config)
    shown = [
        f"{'*' if each == stage else ''}stage {each}: {size / GIB:.2f}"
        for each, size in memory.items()
    ]
    yield "memory", f"GiB a process without activations, {', '.join(shown)} (* this run's)"
    inputs = model.num_query_tokens + _INSTRUCTION + (0 if model.is_encoder_decoder else _TARGET)
    read = _INSTRUCTION if model.qformer_instruction else 0
    flops = sample_flops(model, Lengths(1, read, inputs, _TARGET))
    samples = config.batch.global_size * config.optimizer.steps
    yield (
        "arithmetic",
        f"{flops.total / 1e9:,.3g} GFLOP a sample of {_INSTRUCTION} tokens of instruction and {_TARGET} of target "
        f"(image encoder {flops.vision / flops.total:.0%}), {flops.total * samples:.2e} FLOP in the run",
    )
