"""What a build tells while it runs: a progress bar on a terminal, one plain line a stage elsewhere.

Progress is read from the staging folder, so that it is the same on every engine.
"""

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

POLL_SECONDS = 0.5


class Part(NamedTuple):
    """A part of the work: where its report will be, and the rows that it is about."""

    report: str
    rows: int


class Reporter:
    """Says which stage runs, and how long each took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[None]:
        """Time a stage; off a terminal one line is printed when it ends."""
        start = time.perf_counter()
        if self.console.is_terminal:
            with self.console.status(f"{name}: {what}"):
                yield
        else:
            yield
        self.seconds[name] = time.perf_counter() - start
        self.console.print(f"{name}: {what}, {self.seconds[name]:.1f} s", highlight=False)

    @contextmanager
    def watch(
        self, name: str, steps: Mapping[str, Sequence[Part]], total_rows: int
    ) -> Iterator[None]:
        """Follow work in several steps, whose parts each leave a report when they are done."""
        start = time.perf_counter()
        paths = (part.report for parts in steps.values() for part in parts)
        if not self.console.is_terminal or any("://" in path for path in paths):
            yield
        else:
            with self._bars(steps):
                yield
        seconds = self.seconds[name] = time.perf_counter() - start
        rate = total_rows / max(seconds, 1e-9)
        self.console.print(
            f"{name}: {total_rows:,} rows, {seconds:.1f} s, {rate:,.0f} rows/s", highlight=False
        )

    @contextmanager
    def _bars(self, steps: Mapping[str, Sequence[Part]]) -> Iterator[None]:
        columns = (
            TextColumn("{task.description:6}"),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TextColumn("{task.completed:,} rows, {task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        ended = threading.Event()
        with Progress(*columns, console=self.console, transient=True) as progress:
            thread = threading.Thread(target=_poll, args=(progress, steps, ended), daemon=True)
            thread.start()
            try:
                yield
            finally:
                ended.set()
                thread.join()


def _poll(progress: Progress, steps: Mapping[str, Sequence[Part]], ended: threading.Event) -> None:
    """Move one bar a step until `ended`; what an earlier, killed build has done counts at once."""
    waiting = {step: list(parts) for step, parts in steps.items()}
    totals = {step: sum(part.rows for part in parts) for step, parts in steps.items()}
    tasks = {step: progress.add_task(step, total=totals[step], rate="-/s") for step in steps}
    start = time.perf_counter()
    before: dict[str, int] = {}
    while not ended.wait(POLL_SECONDS):
        for step, parts in waiting.items():
            waiting[step] = [part for part in parts if not os.path.exists(part.report)]
            done = totals[step] - sum(part.rows for part in waiting[step])
            rate = (done - before.setdefault(step, done)) / (time.perf_counter() - start)
            progress.update(tasks[step], completed=done, rate=f"{rate:,.0f}/s")
