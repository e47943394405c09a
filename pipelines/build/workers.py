"""The number of processes that a build runs in, unless a user or another engine decides."""

import os

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

from datagen.errors import OptionError
from pipelines.build.beam_options import DEFAULT_RUNNER

ROWS_PER_WORKER = 1_000_000
"""Two processes gained nothing at 50,000 rows and 1.5 times at 2 million, on two cores."""

_IN_PROCESS = "in_memory"
_PROCESSES = "multi_processing"


def set_workers(
    beam_options: PipelineOptions,
    wanted: int | None,
    rows: int,
    max_memory: int,
    *,
    rows_per_worker: int = ROWS_PER_WORKER,
) -> int:
    """Set the number of processes of Beam's own engine in `beam_options` and return it.

    `wanted` is the user's number; None takes as many as pay off: one for every `rows_per_worker` rows, as far
    as processors and memory (`max_memory` bytes each) reach. Other engines, and Beam's own options of
    the direct runner, decide for themselves: then nothing is set, and 1 is returned. No byte of the
    dataset depends on the number.

    Raises:
        OptionError: `wanted` is given together with another engine or Beam's own option.
    """
    direct = beam_options.view_as(DirectOptions)
    runner = str(beam_options.view_as(StandardOptions).runner)
    own = runner != DEFAULT_RUNNER or (direct.direct_running_mode, direct.direct_num_workers) != (
        _IN_PROCESS,
        1,
    )
    if own:
        if wanted is not None:
            raise OptionError(
                f"--workers {wanted} is for builds on this machine; leave it out, and set the workers "
                f"of {runner} by its own options"
            )
        return 1
    number = workers_that_pay_off(rows, max_memory, rows_per_worker) if wanted is None else wanted
    if number > 1:
        direct.direct_num_workers = number
        direct.direct_running_mode = _PROCESSES
    return number


def workers_that_pay_off(rows: int, max_memory: int, rows_per_worker: int = ROWS_PER_WORKER) -> int:
    """Return how many processes a build of `rows` rows is worth on this machine."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    fit = _memory_bytes() // max_memory
    return max(1, min(rows // rows_per_worker, processors, fit))


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0
