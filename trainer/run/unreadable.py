"""Samples that could not be made as drawn: each is reported; too many unusable rows end the run."""

from collections.abc import Sequence

import msgspec

from trainer.data.order.sample import Replacement
from trainer.errors import DataError
from trainer.launch.distributed import World
from trainer.run.metrics_log import Metrics

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
    """Log the replacements of a step; collective.

    Another row took the place of `total` of the `seen` samples so far. Another draw of the same row,
    where a template could not be rendered, is logged and does not count.

    Raises:
        DataError: `total` is a larger share of `seen` than `max_fraction`.
    """
    everything = [item for part in world.gather(list(replaced)) for item in part]
    if metrics is not None:
        for item in everything:
            metrics.write("replaced", step, **msgspec.to_builtins(item))
            change = "has another draw" if item.redrawn else "was replaced"
            metrics.log(f"sample {item.k} {change}: {item.record_id}: {item.reason}")
    everything = [item for item in everything if not item.redrawn]
    if everything and total > max(max_fraction * seen, _ALWAYS_ALLOWED):
        first = everything[0]
        raise DataError(
            f"{total:,} of {seen:,} samples had unreadable images or unusable texts, more than "
            f"data.max_replaced_fraction {max_fraction}; the last: {first.record_id}: {first.reason}. "
            "Check data.image_roots and data.template_dir, or look at the `replaced` lines of metrics.jsonl"
        )
