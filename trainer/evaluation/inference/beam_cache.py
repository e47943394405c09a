"""Cache for beam search: the beams of a prompt share one decoder row, where transformers gives each its own.

Transformers reads a prompt once for every beam, keeps its keys and values as often, and copies all of them at
every step to reorder the surviving beams. Here a row holds one prompt and behind it what all beams
have written, as a tree: each new token sees the prompt and its own beam's tokens. Beams change places by
what they see, no key or value is moved. For transformers' `generate` nothing is different: hooks turn
the beams' rows into one row on the way into the decoder, and back on the way out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import Cache

from trainer.evaluation.inference.continuing import read_prompts
from trainer.evaluation.inference.prompts import Prefix
from trainer.model.model import Model


@contextmanager
def beams_in_one_row(model: Model, prefix: Prefix, num_beams: int) -> Iterator[Cache]:
    """The cache to give to `generate`; it holds the prompts but for their last tokens.

    Within the block the decoder can be used for nothing else.
    """
    cache = _Beams(model, prefix, num_beams)
    decoder = cast(nn.Module, cast(Any, model.hf.language_model).model)
    hooks = [
        decoder.register_forward_pre_hook(cache.join, with_kwargs=True),
        decoder.register_forward_hook(cache.part),
    ]
    try:
        yield cache
    finally:
        for hook in hooks:
            hook.remove()


class _Beams(Cache):
    """N rows of a prompt and, behind it, B tokens a step; `sees` [N, B, tokens written] says whose."""

    def __init__(self, model: Model, prefix: Prefix, num_beams: int) -> None:
        self.prompt, self.dtype = prefix.mask[:, :-1].bool(), prefix.inputs.dtype
        read = read_prompts(model, prefix.inputs[:, :-1], prefix.mask[:, :-1])
        super().__init__(layers=cast(Cache, read.past_key_values).layers)
        self.sees = self.prompt.new_zeros(len(prefix), num_beams, 0)
        self.own = torch.eye(num_beams, dtype=torch.bool, device=self.prompt.device)

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Beams change places, within their prompt alone."""
        self.sees = self.sees.flatten(0, 1)[beam_idx].view_as(self.sees)

    def join(
        self, decoder: nn.Module, args: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """One token for each of N * B rows becomes N rows of B tokens."""
        num, num_beams, _ = self.sees.shape
        self.sees = torch.cat([self.sees, self.own.expand(num, -1, -1)], dim=-1)
        joined = dict(given)
        for name in ("input_ids", "inputs_embeds", "position_ids"):
            if (tensor := given.get(name)) is not None:
                joined[name] = tensor.reshape(num, num_beams, *tensor.shape[2:])
        seen = torch.cat([self.prompt[:, None].expand(-1, num_beams, -1), self.sees], dim=-1)
        added = torch.zeros_like(seen, dtype=self.dtype).masked_fill(~seen, -torch.inf)
        joined["attention_mask"] = added[:, None]  # [N, every head, B, prompt and written]
        return args, joined

    def part(self, decoder: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        """And back: [N, B, width] to [N * B, 1, width]."""
        output.last_hidden_state = output.last_hidden_state.flatten(0, 1)[:, None]
        return output
