"""Terminal output of a run: lines on stderr, and a progress bar where that is a terminal."""

import sys
from collections.abc import Mapping
from contextlib import suppress

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def log(line: str) -> None:
    """Print on stderr. A closed connection, or a full disk behind it, ends no run."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


class Terminal:
    """A progress bar on a terminal, else a line each time."""

    def __init__(self, name: str, steps: int, start: int) -> None:
        self._steps = steps
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            from rich.console import Console

            self._bar = Progress(
                TextColumn(name),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[numbers]}"),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task(name, total=steps, completed=start, numbers="")

    def show(self, step: int, numbers: Mapping[str, float]) -> None:
        text = "  ".join(f"{name} {_short(value)}" for name, value in numbers.items())
        if self._bar is None:
            log(f"step {step:>6,}/{self._steps:,}  {text}")
        else:
            self._bar.update(self._task, completed=step, numbers=text)

    def log(self, sentence: str) -> None:
        if self._bar is None:
            log(sentence)
        else:
            self._bar.console.print(sentence, markup=False, highlight=False)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def _short(value: float) -> str:
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.2e}"
    return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
