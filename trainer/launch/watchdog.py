"""A watchdog: it ends a process when another one of the run has ended, and reports which and why.

A rank that dies leaves the others waiting in a collective, on a GPU until a long timeout. So each
process writes a sign of life into the run's store every few seconds and looks for that of the next
process, so that the store's work grows with the processes and not with their pairs. Whoever fails, or
finds the next one silent, writes the reason for all. Two threads do it, without collectives or the main
thread: one talks to the store, which may never answer; the other one decides.
"""

import os
import threading
import time
from collections.abc import Callable

from torch._C._distributed_c10d import Store

from trainer.launch.stop import EXIT_STOPPED
from trainer.launch.terminal import log

EXIT_PEER_LOST = 76
"""Exit status of a process that ended because another one did."""

BEAT_SECONDS = 4.0
GRACE_SECONDS = 3.0
"""For how long a process that reads of a failure waits for its own message before it ends."""

_PATIENCE_SECONDS = 2 * BEAT_SECONDS + GRACE_SECONDS
_FAILURE, _STOPPED = "failure", "stopped"
_FIRST_GONE = "process 0, which holds the run's store, has ended; it may have printed why"


class Watchdog:
    """Started with `start`, ended with `stop`; `fail` reports to the others why this process ends.

    `silence_limit` is how many seconds without a sign of life make a process count as lost.
    """

    def __init__(self, rank: int, size: int, store: Store | None, silence_limit: float) -> None:
        self._rank, self._size, self._limit = rank, size, silence_limit
        self._next = (rank + 1) % size
        self._grace = GRACE_SECONDS
        self._answered = self._beat_since = time.monotonic()
        self._beat = b""
        self._reason: str | None = None
        self._found, self._done = threading.Event(), threading.Event()
        self._store = store
        if store is not None:
            store.set(f"alive/{rank}", "0")

    def start(self) -> None:
        if self._store is not None:
            threading.Thread(target=self._talk, args=[self._store], daemon=True).start()
            self._watch_thread = threading.Thread(target=self._watch, daemon=True)
            self._watch_thread.start()

    def stop(self) -> None:
        """This process has ended well."""
        if self._store is not None and not self._done.is_set():
            self._done.set()
            self._watch_thread.join()
            self._leave(self._limit)

    def fail(self, reason: str, stopped: bool = False) -> None:
        """Report to the others that this process ends, and why; `stopped`: a signal wants all of them to end."""
        store = self._store
        if store is not None and not self._done.is_set():
            self._done.set()
            if stopped:
                _try(lambda: store.set(_STOPPED, "1"))
            text = f"process {self._rank} failed: {reason}"
            _try(lambda: store.compare_set(_FAILURE, "", text))
            self._let_first_speak(store)
            self._leave(_PATIENCE_SECONDS)

    def _let_first_speak(self, store: Store) -> None:
        """The first process logs what failed here; a launcher may end it as soon as this process has ended."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while self._rank and time.monotonic() < until:
            if _try(lambda: store.check(["left/0"])) is not False:
                return
            time.sleep(0.1)

    def suspect(self) -> None:
        """Find the process that made a collective fail. Does not return if there is one.

        A killed process has left no reason; one that is silent for two beats from now on is it.
        """
        if self._store is not None and not self._done.is_set():
            self._limit = min(self._limit, 2.5 * BEAT_SECONDS)
            self._grace = 0.0
            if self._found.wait(self._limit + _PATIENCE_SECONDS):
                self._watch_thread.join()

    def _watch(self) -> None:
        """End this process as soon as there is a reason."""
        while not self._done.wait(0.5):
            silence = time.monotonic() - self._answered
            if not self._found.is_set() and silence > self._limit + BEAT_SECONDS:
                self._reason = (
                    f"process 0, which holds the run's store, is silent for {silence:.0f} s"
                )
                self._found.set()
            if self._found.is_set() and not self._done.wait(self._grace):
                log(f"visinstruct: process {self._rank} ends: {self._reason}")
                stopped = self._store is not None and _try(self._was_stopped)
                self._leave(_PATIENCE_SECONDS)
                os._exit(EXIT_STOPPED if stopped else EXIT_PEER_LOST)

    def _was_stopped(self) -> bool:
        assert self._store is not None
        return self._store.check([_STOPPED])

    def _talk(self, store: Store) -> None:
        number = 0
        while not self._done.wait(BEAT_SECONDS):
            number += 1
            try:
                store.set(f"alive/{self._rank}", str(number))
                reason = self._look(store)
            except RuntimeError:
                reason = _FIRST_GONE
            self._answered = time.monotonic()
            if reason:
                self._reason = reason
                self._found.set()
                return

    def _look(self, store: Store) -> str | None:
        """Return why this process has to end, if it has to."""
        if store.check([_FAILURE]):
            return store.get(_FAILURE).decode(errors="replace")
        if store.check([f"left/{self._next}"]):
            return None
        beat = store.get(f"alive/{self._next}") if store.check([f"alive/{self._next}"]) else b""
        if beat != self._beat:
            self._beat, self._beat_since = beat, time.monotonic()
        silence = time.monotonic() - self._beat_since
        if silence <= self._limit:
            return None
        reason = (
            f"process {self._next} has shown no sign of life for {silence:.0f} s; if it printed nothing, it "
            "was killed, perhaps for its memory: see the log of its host"
        )
        store.set(f"left/{self._next}", "1")
        return store.compare_set(_FAILURE, "", reason).decode(errors="replace")

    def _leave(self, patience: float) -> None:
        """Leave; the first process, whose store ends with it, lets the others read it before."""
        store = self._store
        assert store is not None
        _try(lambda: store.set(f"left/{self._rank}", "1"))
        everybody = [f"left/{rank}" for rank in range(self._size)]
        until = time.monotonic() + patience
        while (
            self._rank == 0
            and time.monotonic() < until
            and not _try(lambda: store.check(everybody))
        ):
            time.sleep(0.1)


def _try(call: Callable[[], object]) -> object:
    """Return the result of a call to the store; None where it fails or does not answer."""
    answers: list[object] = []

    def run() -> None:
        try:
            answers.append(call())
        except RuntimeError:
            answers.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(BEAT_SECONDS)
    return answers[0] if answers else None
