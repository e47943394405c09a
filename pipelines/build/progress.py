"""Progress of a build: bars on a terminal, elsewhere a plain line a stage and one every half minute.

Progress is read from the staging folder, so that it is the same on every engine.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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

from datagen.files import is_url

POLL_SECONDS = 0.5
LINE_SECONDS = 30
"""Off a terminal, the time between two lines of a stage that is still running."""


class Part(NamedTuple):
    """A part of the work: where its report will be, and the rows that it is about."""

    report: str
    rows: int


_COLUMNS = (
    TextColumn("{task.description:6}"),
    BarColumn(bar_width=20),
    TaskProgressColumn(),
    TextColumn("{task.completed:,} {task.fields[unit]}, {task.fields[rate]}"),
    TimeRemainingColumn(),
    TextColumn("left"),
)


class Reporter:
    """Says which stage runs, and how long each took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[None]:
        """Time a stage; off a terminal a line is printed every half minute and when it ends."""
        start = time.perf_counter()
        if self.console.is_terminal:
            with self.console.status(f"{name}: {what}"):
                yield
        else:
            with self._lines(lambda: f"{name}: {what}, {time.perf_counter() - start:.0f} s so far"):
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
        local = not any(is_url(path) for path in paths)
        if not self.console.is_terminal or not local:
            counted = _Counted(steps) if local else None

            def line() -> str:
                done = f"{counted}, " if counted else ""
                return f"{name}: {done}{time.perf_counter() - start:.0f} s so far"

            with self._lines(line):
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
    def count(self, name: str, total: int, unit: str, done: Callable[[], int]) -> Iterator[None]:
        """Follow work of `total` units, of which `done` says how many are ready."""
        start = time.perf_counter()
        if self.console.is_terminal:
            with (
                Progress(*_COLUMNS, console=self.console, transient=True) as progress,
                _beside(_poll_count, progress, name, total, unit, done),
            ):
                yield
        else:

            def line() -> str:
                seconds = time.perf_counter() - start
                return f"{name}: {done():,} of {total:,} {unit}, {seconds:.0f} s so far"

            with self._lines(line):
                yield
        seconds = self.seconds[name] = time.perf_counter() - start
        count = done()
        self.console.print(
            f"{name}: {count:,} {unit}, {seconds:.1f} s, {count / max(seconds, 1e-9):,.0f}/s",
            highlight=False,
        )

    @contextmanager
    def _lines(self, line: Callable[[], str]) -> Iterator[None]:
        """Print a line every `LINE_SECONDS`, so that a log shows that the build is alive."""
        with _beside(_print_lines, self.console, line):
            yield

    @contextmanager
    def _bars(self, steps: Mapping[str, Sequence[Part]]) -> Iterator[None]:
        with (
            Progress(*_COLUMNS, console=self.console, transient=True) as progress,
            _beside(_poll, progress, steps),
        ):
            yield


@contextmanager
def _beside(function: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Run a function in a thread; its last argument is an event, at which it returns."""
    ended = threading.Event()
    thread = threading.Thread(target=function, args=(*arguments, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _print_lines(console: Console, line: Callable[[], str], ended: threading.Event) -> None:
    while not ended.wait(LINE_SECONDS):
        console.print(line(), highlight=False)


class _Counted:
    """The rows of each step that are done, counted again whenever they are printed."""

    def __init__(self, steps: Mapping[str, Sequence[Part]]) -> None:
        self.waiting = {step: list(parts) for step, parts in steps.items()}
        self.totals = {step: sum(part.rows for part in parts) for step, parts in steps.items()}

    def __str__(self) -> str:
        texts = []
        for step, parts in self.waiting.items():
            self.waiting[step] = [part for part in parts if not os.path.exists(part.report)]
            done = self.totals[step] - sum(part.rows for part in self.waiting[step])
            texts.append(f"{step} {done:,} of {self.totals[step]:,} rows")
        return ", ".join(texts)


def _poll(progress: Progress, steps: Mapping[str, Sequence[Part]], ended: threading.Event) -> None:
    """Move one bar a step until `ended`; what an earlier, killed build has done counts at once."""
    waiting = {step: list(parts) for step, parts in steps.items()}
    totals = {step: sum(part.rows for part in parts) for step, parts in steps.items()}
    tasks = {
        step: progress.add_task(step, total=totals[step], unit="rows", rate="-/s") for step in steps
    }
    start = time.perf_counter()
    before: dict[str, int] = {}
    while not ended.wait(POLL_SECONDS):
        for step, parts in waiting.items():
            waiting[step] = [part for part in parts if not os.path.exists(part.report)]
            done = totals[step] - sum(part.rows for part in waiting[step])
            rate = (done - before.setdefault(step, done)) / (time.perf_counter() - start)
            progress.update(tasks[step], completed=done, rate=f"{rate:,.0f}/s")


def _poll_count(
    progress: Progress,
    name: str,
    total: int,
    unit: str,
    done: Callable[[], int],
    ended: threading.Event,
) -> None:
    task = progress.add_task(name, total=total, unit=unit, rate="-/s")
    start = time.perf_counter()
    while not ended.wait(POLL_SECONDS):
        count = done()
        rate = count / (time.perf_counter() - start)
        progress.update(task, completed=count, rate=f"{rate:,.0f}/s")
