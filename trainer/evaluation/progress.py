"""Progress of an evaluation: a bar a task on a terminal; elsewhere a line when a task ends, and one every 20 s."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """Prints to stderr, from the first process alone."""

    def __init__(self, prints: bool, every_seconds: float = 20.0) -> None:
        self._prints, self._every = prints, every_seconds
        self._name, self._total, self._done = "", 0, 0
        self._start = self._last = time.monotonic()
        self._bar: Bar | None = None

    @contextmanager
    def task(self, name: str, total: int, left: int) -> Iterator[None]:
        """Follow a task of `total` records, of which `left` are this process's."""
        self._name, self._total, self._done = name, left, 0
        self._start = self._last = time.monotonic()
        if self._prints and sys.stderr.isatty():
            columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            console = Console(stderr=True)
            self._bar = Bar(TextColumn(name), *columns, console=console, transient=True)
            self._bar.add_task(name, total=left)
            self._bar.start()
        try:
            yield
        finally:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
        self._print(f"{name}: {total:,} records in {time.monotonic() - self._start:.1f} s")

    def add(self, count: int) -> None:
        """Count records that this process has predicted."""
        self._done += count
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done)
        elif now - self._last >= self._every:
            self._last = now
            rate = self._done / (now - self._start)
            left = (self._total - self._done) / rate
            self._print(
                f"{self._name}: {self._done:,} of {self._total:,}, {rate:.1f} records/s, "
                f"{left / 60:.0f} minutes left"
            )

    def _print(self, line: str) -> None:
        if self._prints:
            print(line, file=sys.stderr, flush=True)
