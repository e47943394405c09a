"""Images that could not be read: each one is reported, and too many end the run."""

from collections.abc import Sequence

import msgspec

from trainer.data.order.sample import Replacement
from trainer.errors import DataError
from trainer.launch.distributed import World
from trainer.run.metrics import Metrics

_ALWAYS_ALLOWED = 10
"""So that a single bad image does not end a run that has only begun."""


def report_replaced(
    replaced: Sequence[Replacement],
    step: int,
    total: int,
    seen: int,
    max_fraction: float,
    world: World,
    metrics: Metrics | None,
) -> None:
    """Log the replacements of a step; collective. `total` of the `seen` samples were replaced so far.

    Raises:
        DataError: that is a larger share than `max_fraction`.
    """
    everything = [item for part in world.gather(list(replaced)) for item in part]
    if metrics is not None:
        for item in everything:
            metrics.write("replaced", step, **msgspec.to_builtins(item))
            metrics.say(f"sample {item.k} was replaced: {item.record_id}: {item.reason}")
    if total > max(max_fraction * seen, _ALWAYS_ALLOWED):
        first = everything[0]
        raise DataError(
            f"{total:,} of {seen:,} samples had images that cannot be read, more than "
            f"data.max_replaced_fraction {max_fraction}; the last: {first.record_id}: {first.reason}. "
            "Check data.image_roots, or look at the `replaced` lines of metrics.jsonl"
        )
