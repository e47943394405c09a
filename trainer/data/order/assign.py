"""Assignment of a global batch's samples to ranks and micro-batches."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BatchShape:
    """A global batch: `world_size` ranks x `accumulation` micro-steps x `micro_batch` samples."""

    world_size: int
    micro_batch: int
    accumulation: int = 1

    def __post_init__(self) -> None:
        assert min(self.world_size, self.micro_batch, self.accumulation) > 0, self

    @property
    def num_samples(self) -> int:
        return self.world_size * self.micro_batch * self.accumulation


def assign(lengths: Sequence[int] | None, shape: BatchShape) -> list[list[list[int]]]:
    """Offsets into the global batch by rank, then micro-step, ascending: every offset once.

    With `lengths`, one a sample, similar lengths come in the same micro-step on all ranks, so that
    little is padded and no rank waits long for another; the ranks take turns from both ends, so that
    none always gets the longer ones. Without, samples go out in their order.

    Examples:
        >>> assign([9, 1, 8, 2], BatchShape(world_size=2, micro_batch=1, accumulation=2))
        [[[1], [0]], [[3], [2]]]
    """
    offsets = list(range(shape.num_samples))
    if lengths is not None:
        assert len(lengths) == shape.num_samples, (len(lengths), shape)
        offsets.sort(key=lambda offset: (lengths[offset], offset))
    per_step = shape.world_size * shape.micro_batch
    ranks: list[list[list[int]]] = [[] for _ in range(shape.world_size)]
    for start in range(0, shape.num_samples, per_step):
        step = offsets[start : start + per_step]
        for rank, taken in enumerate(ranks):
            if lengths is None:
                mine = step[rank * shape.micro_batch : (rank + 1) * shape.micro_batch]
            else:
                mine = _turns(step, rank, shape.world_size)
            taken.append(sorted(mine))
    return ranks


def _turns(step: Sequence[int], rank: int, world_size: int) -> list[int]:
    """Return the samples of `rank` in a step, where the order of ranks reverses after every sample each."""
    rounds = range(0, len(step), world_size)
    return [
        step[start + (rank if turn % 2 == 0 else world_size - 1 - rank)]
        for turn, start in enumerate(rounds)
    ]
