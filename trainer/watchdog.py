"""Ends a process when another one of the run is gone, and says which and why.

A rank that dies leaves the others waiting in a collective, on a GPU until a long timeout. So each
process runs a thread that writes a sign of life into the run's store every few seconds and looks for that
of the next process, so that the store's work grows with the processes and not with their pairs. Whoever
fails, or finds the next one silent, writes the reason for all. The thread needs no collective and no
main thread.
"""

import os
import sys
import threading
import time
from datetime import timedelta

from torch._C._distributed_c10d import Store
from torch.distributed import TCPStore  # type: ignore[attr-defined]

EXIT_PEER_LOST = 76
"""Exit status of a process that ended because another one did."""

BEAT_SECONDS = 4.0
GRACE_SECONDS = 3.0
"""How long a process that hears of a failure waits for its own message before it ends."""

_FAILURE = "failure"
_FIRST_GONE = "process 0, which holds the run's store, is gone"


class Watchdog:
    """Started with `start`, ended with `stop`; `fail` tells the others why this process ends.

    `silence_limit` is how many seconds without a sign of life make a process count as gone.
    """

    def __init__(self, rank: int, size: int, address: str, port: int, silence_limit: float) -> None:
        self._rank, self._size, self._limit = rank, size, silence_limit
        self._next = (rank + 1) % size
        self._seen = (b"", time.monotonic())
        self._done = threading.Event()
        self._store: Store | None = None
        if size > 1:
            self._store = TCPStore(
                address, port, size, is_master=rank == 0, timeout=timedelta(seconds=120)
            )
            self._store.set(f"alive/{rank}", "0")
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        if self._store is not None:
            self._thread.start()

    def stop(self) -> None:
        """This process has ended well."""
        if self._store is not None and not self._done.is_set():
            self._done.set()
            self._thread.join()
            self._leave(self._store, self._limit)

    def fail(self, reason: str) -> None:
        """Tell the others that this process ends, and why."""
        if self._store is not None and not self._done.is_set():
            self._done.set()
            self._report(self._store, f"process {self._rank} failed: {reason}")
            self._leave(self._store, 2 * BEAT_SECONDS + GRACE_SECONDS)

    def suspect(self) -> None:
        """A collective has failed: find out who is gone. Does not return if somebody is.

        The process that died may have left no word; one that is silent for two beats now is it.
        """
        if self._store is not None and not self._done.is_set():
            self._limit = min(self._limit, 2.5 * BEAT_SECONDS)
            self._thread.join(self._limit + 2 * BEAT_SECONDS + GRACE_SECONDS)

    def _watch(self) -> None:
        assert self._store is not None
        number = 0
        while not self._done.wait(BEAT_SECONDS):
            number += 1
            try:
                self._store.set(f"alive/{self._rank}", str(number))
                reason = self._reason(self._store)
            except RuntimeError:
                reason = _FIRST_GONE
            if reason and not self._done.wait(GRACE_SECONDS):
                print(
                    f"visinstruct: process {self._rank} ends: {reason}", file=sys.stderr, flush=True
                )
                self._leave(self._store, 2 * BEAT_SECONDS + GRACE_SECONDS)
                os._exit(EXIT_PEER_LOST)

    def _reason(self, store: Store) -> str | None:
        """Why this process has to end, if it has to."""
        if store.check([_FAILURE]):
            return store.get(_FAILURE).decode(errors="replace")
        if store.check([f"left/{self._next}"]):
            return None
        now = time.monotonic()
        beat = store.get(f"alive/{self._next}") if store.check([f"alive/{self._next}"]) else b""
        if beat != self._seen[0]:
            self._seen = (beat, now)
        silence = now - self._seen[1]
        if silence <= self._limit:
            return None
        return self._report(
            store,
            f"process {self._next} has shown no sign of life for {silence:.0f} s; if it printed nothing, "
            "it was killed, perhaps for its memory: see its host's log",
        )

    def _report(self, store: Store, reason: str) -> str:
        """Write a reason for all to read; the first one stays, and is returned."""
        try:
            return store.compare_set(_FAILURE, "", reason).decode(errors="replace")
        except RuntimeError:
            return _FIRST_GONE

    def _leave(self, store: Store, patience: float) -> None:
        """Be gone; the first process, whose store ends with it, lets the others read it before."""
        try:
            store.set(f"left/{self._rank}", "1")
            if self._rank == 0:
                everybody = [f"left/{rank}" for rank in range(self._size)]
                store.wait(everybody, timedelta(seconds=patience))
        except RuntimeError:
            pass  # somebody is gone without a word, and nobody waits for it
