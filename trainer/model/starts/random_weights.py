"""Random weights, drawn for a configuration alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import init
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration, T5Config

QUERY_STD = 0.02


def random_model(config: InstructBlipConfig) -> InstructBlipForConditionalGeneration:
    """Draw weights from torch's generator, on the current default device and dtype.

    Query tokens are drawn as LAVIS draws them (transformers leaves zeros), and a T5 gets an output
    layer of its own, as FlanT5 has it (transformers ties it when there is no checkpoint).
    """
    hf = InstructBlipForConditionalGeneration(config)
    init.normal_(hf.query_tokens, std=QUERY_STD)
    if isinstance(config.text_config, T5Config) and not config.text_config.scale_decoder_outputs:
        untie(hf)
    return hf


def untie(hf: InstructBlipForConditionalGeneration) -> None:
    """Give the language model's output layer a weight of its own."""
    head = hf.language_model.lm_head
    head.weight = nn.Parameter(torch.empty_like(head.weight).copy_(head.weight.detach()))


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Make `dtype` torch's default for a while."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
