"""A batch: what the collator makes of samples and the model consumes. Checked when made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from trainer.data.order.sample import Replacement
from trainer.errors import DataError

IGNORED = -100
"""The label of positions that are not supervised."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One micro-batch of one rank. N samples, F frames each, Q query tokens a frame.

    pixels            uint8 [N * F, 3, side, side], or None where all `features` are there
    features          fp16 [N * F, tokens, width]: frozen ViT states before `post_layernorm`, or None
    missing           rows of `features` that the feature cache did not have, to be made of `pixels`
    image_hashes    sha256 of each image, where the feature cache is used
    qformer_ids       int64 [N, instruction length], right-padded
    qformer_mask      int64, the same shape
    input_ids         int64 [N, F * Q + text length]: F * Q image placeholders, then text, right-padded
    attention_mask    int64, the same shape
    labels            int64: decoder-only LMs [N, F * Q + text length], aligned with `input_ids`;
                      encoder-decoders [N, target length]. `IGNORED` where not supervised
    supervised        int64 [2, T], sample and position of each of T supervised labels; None until it is
                      requested, on the CPU where it costs no GPU a wait
    ks                int64 [N], the samples' numbers in the run
    sources, record_ids, replaced   what to report of them
    """

    pixels: Tensor | None
    features: Tensor | None = None
    missing: tuple[int, ...] = ()
    image_hashes: tuple[str, ...] = ()
    qformer_ids: Tensor
    qformer_mask: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    ks: Tensor
    supervised: Tensor | None = None
    num_frames: int
    num_placeholders: int
    sources: tuple[str, ...]
    record_ids: tuple[str, ...]
    replaced: tuple[Replacement, ...] = ()

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def num_targets(self) -> int:
        """Supervised tokens."""
        return int((self.labels != IGNORED).sum())

    def check(self, image_token: int) -> None:
        """Refuse a misaligned batch.

        Raises:
            DataError: a sample has another number of placeholders than it has query vectors, no
                supervised token, or tensors disagree in length.
        """
        placeholders = (self.input_ids == image_token).sum(1)
        if (wrong := (placeholders != self.num_placeholders).nonzero()).numel():
            row = int(wrong[0])
            raise DataError(
                f"sample {self._name(row)} has {int(placeholders[row])} image placeholders for "
                f"{self.num_placeholders} query vectors; does its text hold the image token?"
            )
        if not bool((self.input_ids[:, : self.num_placeholders] == image_token).all()):
            raise DataError("image placeholders do not come first")
        supervised = (self.labels != IGNORED).any(1)
        if (empty := (~supervised).nonzero()).numel():
            raise DataError(f"sample {self._name(int(empty[0]))} has no supervised token")
        lengths = {len(self), len(self.qformer_ids), len(self.labels), len(self.ks)}
        if len(lengths) > 1 or self.input_ids.shape != self.attention_mask.shape:
            raise DataError(f"the parts of a batch disagree in length: {sorted(lengths)}")

    def _name(self, row: int) -> str:
        return f"{int(self.ks[row])} ({self.record_ids[row]})"

    def to(self, device: torch.device) -> "Batch":
        """The batch with its tensors on `device`; pinned memory is copied asynchronously."""
        found = replace(self, supervised=self.positions())
        return found._map(lambda tensor: tensor.to(device, non_blocking=True))

    def positions(self) -> Tensor:
        """`supervised`, found where it is not yet known."""
        if self.supervised is not None:
            return self.supervised
        return torch.stack((self.labels != IGNORED).nonzero(as_tuple=True))

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory; called by torch's data loader."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        changed: dict[str, Any] = {
            field.name: change(value)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **changed)


def count_targets(batches: Sequence[Batch]) -> int:
    return sum(batch.num_targets for batch in batches)
