"""Watch over a running engine: a build whose workers died or stand still ends, and says why.

Without it such a build waits for ever: Beam's own engine and Prism wait for a worker that was killed, Dask
for the last one that left. The main thread is interrupted as by Ctrl-C, which every engine obeys.
"""

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from datagen.build.staging import Staging
from datagen.errors import UserError
from datagen.files import Files, is_url
from pipelines.build.pulse import read_pulses, worker_of

LONGEST_POLL_SECONDS = 30.0
POLLS_PER_STALL = 20
POLLS_PER_STALL_OF_STORE = 5  # where every look lists all files of the staging folder
GRACE_SECONDS = 10.0
"""Time for an engine to end by itself after one of its processes died."""

ANSWER_SECONDS = 10.0
"""Time for an engine to answer a question, or to cancel a job."""

STATUS_SECONDS = 2.0
"""Time for the status of a process to arrive after its connection ended."""

KEPT = "nothing was published and what is done is kept: start the same command again to resume"

CHANNEL_LOST = ("Channel closed prematurely", "SDK worker disconnected")
"""What Beam's own engine and Prism say when the connection to a busy worker ends."""

_EXITED = re.compile(r"Worker subprocess exited with return code (-?\d+)")
_MAX_WORKERS = 3  # that a message names


Answer = TypeVar("Answer")


class EngineError(UserError):
    """The engine, or a worker of it, stopped before the work was done."""


@dataclass(frozen=True)
class Look:
    """What can be seen of a running build: how many parts have a report, and each worker's pulse."""

    parts: int
    pulses: Mapping[str, bytes]


def look(staging: Staging, files: Files) -> Look:
    """Return what can be seen of a build now."""
    reports = (staging.reports_of_ranges("*", "*"), staging.reports_of_shards("*", "*"))
    return Look(sum(len(files.match(each)) for each in reports), read_pulses(staging, files))


class Stall:
    """Notices that nothing has changed for `seconds`, over repeated looks."""

    def __init__(self, seconds: float, total: int) -> None:
        self.seconds, self.total = seconds, total
        self._last: Look | None = None
        self._since = 0.0
        self._moved: list[str] = []

    def message(self, seen: Look, now: float) -> str | None:
        """Return an error message if the build stands still, else None; `now` in seconds."""
        if self._last is None or seen != self._last:
            before = seen.pulses if self._last is None else self._last.pulses
            moved = [path for path, content in seen.pulses.items() if before.get(path) != content]
            self._moved = moved or self._moved
            self._last, self._since = seen, now
            return None
        if now - self._since < self.seconds:
            return None
        workers = "; ".join(
            str(worker_of(seen.pulses[each])) for each in self._moved[:_MAX_WORKERS]
        )
        last = f"last at work: {workers}" if workers else "no worker is at work"
        return (
            f"no progress for {self.seconds / 60:g} minutes, {seen.parts:,} of {self.total:,} parts are "
            f"done; {last}. Were the engine's workers killed, or does a disk or store not answer? {KEPT} "
            "(--stall-minutes allows more time)"
        )


def death_message(code: int | None) -> str:
    """Return the error message for a worker process that ended with this status, as a shell gives it."""
    if code is None:
        return f"the connection to a worker process was lost; {KEPT}"
    number = -code if code < 0 else code - 128
    if number <= 0:
        return f"a worker process ended with status {code}; {KEPT}"
    advice = (
        ". The system kills processes when memory runs out: give less to --workers or --max-memory"
        if number == signal.SIGKILL
        else ""
    )
    return f"a worker process was killed by signal {number}; {KEPT}{advice}"


def answer_of(ask: Callable[[], Answer]) -> Answer | None:
    """Return what a service answers; None if it fails, or takes longer than `ANSWER_SECONDS`."""
    answers = []

    def work() -> None:
        with suppress(Exception):  # it has ended, or is not there any more
            answers.append(ask())

    thread = threading.Thread(target=work, name="ask", daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    return answers[0] if answers else None


class Watch:
    """A running engine, and what two threads beside it know of it."""

    def __init__(self, staging: Staging, files: Files, stall_seconds: float, total: int) -> None:
        self.staging, self.files = staging, files
        self.seen = Look(0, {})
        self.num_workers: Callable[[], int] | None = None
        self.stall = Stall(stall_seconds, total)
        if is_url(staging.root):
            self.poll_seconds = stall_seconds / POLLS_PER_STALL_OF_STORE
        else:
            self.poll_seconds = min(LONGEST_POLL_SECONDS, stall_seconds / POLLS_PER_STALL)
        self.ended = threading.Event()
        self.died = threading.Event()
        self.status: int | None = None
        self.fault: str | None = None

    def note(self, error: BaseException | None) -> bool:
        """Return True for what a thread of Beam's own engine raises when its worker process ends."""
        found = _EXITED.search(str(error))
        if found is None:
            return False
        self.status = int(found[1])
        self.died.set()
        return True

    def stop(self, fault: str) -> None:
        """Interrupt the main thread, as Ctrl-C would, unless the engine has ended."""
        if not self.ended.is_set():
            self.fault = fault
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)

    def follow(self, result: Any) -> None:
        """Take from a Dask result how many workers are connected; other engines do not say it."""
        client: Any = getattr(result, "client", None)
        if hasattr(client, "scheduler_info"):
            self.num_workers = lambda: len(client.scheduler_info()["workers"])

    def message(self) -> str | None:
        """Return an error message if the build stands still now."""
        with suppress(
            OSError, UserError
        ):  # a disk or store that does not answer: nothing new is seen
            self.seen = look(self.staging, self.files)
        fault = self.stall.message(self.seen, time.monotonic())
        if fault is not None and self.num_workers is not None:
            number = answer_of(self.num_workers)
            if number is not None:
                fault = f"{number} workers are connected to the Dask scheduler; {fault}"
        return fault

    def wait_for_stall(self) -> None:
        while not self.ended.wait(self.poll_seconds):
            fault = self.message()
            if fault is not None:
                self.stop(fault)
                return

    def wait_for_death(self) -> None:
        self.died.wait()
        if not self.ended.wait(GRACE_SECONDS):
            self.stop(death_message(self.status))


@contextmanager
def watching(
    staging: Staging, files: Files, stall_seconds: float, total: int
) -> Iterator[Watch | None]:
    """End the context with an error once a worker process died or no part moved on; `total` is their number.

    Only the main thread can be interrupted: in another one, nothing is watched.

    Raises:
        EngineError: a process died, or nothing moved on for `stall_seconds`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield None
        return
    watch = Watch(staging, files, stall_seconds, total)
    hook = threading.excepthook

    def note(raised: threading.ExceptHookArgs) -> None:
        lost = raised.exc_type.__module__.partition(".")[0] == "grpc"  # said better by ours
        if not watch.note(raised.exc_value) and not lost:
            hook(raised)

    threading.excepthook = note
    try:
        watch.message()
        for wait in (watch.wait_for_stall, watch.wait_for_death):
            threading.Thread(target=wait, name=wait.__name__, daemon=True).start()
        yield watch
    except BaseException as error:
        if watch.fault is None and any(each in str(error) for each in CHANNEL_LOST):
            watch.died.wait(STATUS_SECONDS)
            watch.fault = death_message(watch.status)
        if watch.fault is not None:
            raise EngineError(watch.fault) from error
        raise
    finally:
        watch.ended.set()
        watch.died.set()  # ends the thread that waits for it
        threading.excepthook = hook
