"""Progress of downloads: bars on a terminal, elsewhere a line a download and one every half minute."""

import threading
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from datagen.schema.download import Download
from pipelines.console import visible
from pipelines.fetch.download import Progress
from pipelines.fetch.fetch import Outcome, State

LINE_SECONDS = 30
_REDRAW_SECONDS = 0.1


class Bars:
    """A bar a download; used as a context, from any number of threads."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "Bars":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def start(self, download: Download) -> Progress:
        task = self._bars.add_task(download.path, total=download.num_bytes or download.about_bytes)
        row = _Row(self, download.path, task)
        with self._lock:
            self._rows[download.path] = row
        if not self.console.is_terminal:
            self.print(f"{download.path}: {download.url}")
        return row

    def end(self, outcome: Outcome) -> None:
        with self._lock:
            row = self._rows.pop(outcome.download.path, None)
        if row is not None:
            self._bars.remove_task(row.task)
        if outcome.is_new:
            self.print(f"{outcome.download.path}: complete")
        elif outcome.state in (State.FAILED, State.MISMATCH):
            self.print(f"{outcome.download.path}: {outcome.message}", "red")

    def print(self, message: str, style: str = "") -> None:
        self.console.print(Text(visible(message), style))

    def move(self, task: TaskID, num_bytes: int, total: int | None) -> None:
        self._bars.update(task, completed=num_bytes, total=total)


class _Row:
    """The progress of one download, drawn ten times a second at most."""

    def __init__(self, bars: Bars, path: str, task: TaskID) -> None:
        self.task = task
        self._bars, self._path = bars, path
        self._drawn = self._printed = time.monotonic()

    def at(self, num_bytes: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        if self._bars.console.is_terminal:
            self._bars.move(self.task, num_bytes, total)
        elif now - self._printed >= LINE_SECONDS:
            self._printed = now
            of = f" of {total / 1e6:,.0f}" if total else ""
            self._bars.print(f"{self._path}: {num_bytes / 1e6:,.0f}{of} MB")

    def say(self, message: str) -> None:
        self._bars.print(f"{self._path}: {message}")
