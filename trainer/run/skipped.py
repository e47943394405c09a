"""Steps that are not trained: `--skip-steps A-B` resumes a diverged run without their samples.

Steps count from 1, as messages and checkpoints count them. A skipped step makes no update, but the learning rate and the
samples of every other step stay as they were: step n takes the samples (n - 1) * G to n * G - 1 of the run in any case.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from trainer.errors import CheckpointError, ConfigError
from trainer.run import checkpoint

Skipped: TypeAlias = tuple[tuple[int, int], ...]
"""First and last step of each range, sorted and apart."""


def parse_steps(texts: Sequence[str]) -> Skipped:
    """Read arguments such as `120-130` or `120`.

    Raises:
        ConfigError: one is neither.
    """
    ranges = []
    for text in texts:
        first, dash, last = text.partition("-")
        if not (first.isdigit() and (last.isdigit() or not dash)):
            raise ConfigError(f"--skip-steps {text!r} is not A-B, such as 120-130")
        low, high = int(first), int(last or first)
        if not 1 <= low <= high:
            raise ConfigError(f"--skip-steps {text!r}: steps count from 1, the first one first")
        ranges.append((low, high))
    return _joined(ranges)


def resumed(saved: Skipped, wanted: Skipped, step: int) -> Skipped:
    """All steps to be skipped by a run that resumes after `step` with `saved` behind it.

    Raises:
        ConfigError: one of `wanted` is trained already.
    """
    for low, high in wanted:
        for each in range(low, min(high, step) + 1):
            if not covers(saved, each):
                raise ConfigError(
                    f"--skip-steps {low}-{high}: the newest checkpoint is of step {step}, so step {each} is trained "
                    f"already; remove the checkpoints from step {low} on to skip it"
                )
    return _joined([*saved, *wanted])


def covers(skipped: Skipped, step: int) -> bool:
    return any(low <= step <= high for low, high in skipped)


def count(skipped: Skipped, step: int) -> int:
    """Count the skipped steps among the first `step`."""
    return sum(max(min(high, step) - low + 1, 0) for low, high in skipped)


def skipped_in(run_folder: Path) -> Skipped:
    """The steps that a run's newest checkpoint has on record; none where there is no checkpoint."""
    for path in checkpoint.checkpoints(run_folder / checkpoint.FOLDER):
        try:
            return checkpoint.read_run_state(path).skipped
        except CheckpointError:
            continue
    return ()


def shown(skipped: Skipped) -> str:
    return ", ".join(f"{low}-{high}" if high > low else str(low) for low, high in skipped)


def _joined(ranges: Iterable[tuple[int, int]]) -> Skipped:
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)
