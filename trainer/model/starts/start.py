"""The border between a kind of start and what is made of it."""

from typing import NamedTuple, Protocol

import torch
from transformers import (
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    PreTrainedTokenizerFast,
)


class TokenizerPair(NamedTuple):
    """The tokenizers of both text inputs; one object twice where the Q-Former reads no text."""

    qformer: PreTrainedTokenizerFast
    language: PreTrainedTokenizerFast


class Start(Protocol):
    """A kind of start. Nothing is read before a method is called; each raises `ModelError`."""

    def config(self) -> InstructBlipConfig:
        """Return the model's configuration; `image_token_index` is None where the files name none."""
        ...

    def tokenizers(self) -> TokenizerPair:
        """Load both tokenizers; no weights are read."""
        ...

    def weights(
        self, config: InstructBlipConfig, dtype: torch.dtype
    ) -> InstructBlipForConditionalGeneration:
        """Return the module with its weights, frozen parts in `dtype` where that saves memory.

        Parameters that no file gives are drawn from torch's generator.
        """
        ...
