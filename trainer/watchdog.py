"""Ends a process when another one of the run is gone, and says which and why.

A rank that dies leaves the others waiting in a collective, on a GPU until a long timeout. So each
process runs a thread that writes a sign of life into the run's store every few seconds and looks at the
others'. Whoever fails writes the reason first. The thread needs no collective and no main thread.
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

BEAT_SECONDS = 5.0
_GRACE_SECONDS = 4.0


class Watchdog:
    """Started with `start`, ended with `stop`; `fail` tells the others why this process ends.

    `silence_limit` is how many seconds without a sign of life make a process count as gone.
    """

    def __init__(self, rank: int, size: int, address: str, port: int, silence_limit: float) -> None:
        self._rank, self._size, self._limit = rank, size, silence_limit
        self._done = threading.Event()
        self._seen = {other: (b"", time.monotonic()) for other in range(size) if other != rank}
        self._store: Store | None = None
        if size > 1:
            self._store = TCPStore(
                address, port, size, is_master=rank == 0, timeout=timedelta(seconds=120)
            )
            self._beat(0)
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        if self._store is not None:
            self._thread.start()

    def stop(self) -> None:
        """This process has ended well; the first one keeps the store until all have."""
        if self._store is None or self._done.is_set():
            return
        self._done.set()
        self._thread.join()
        try:
            self._store.set(f"done/{self._rank}", "1")
            if self._rank == 0:
                self._store.wait(
                    [f"done/{rank}" for rank in range(self._size)],
                    timedelta(seconds=self._limit),
                )
        except RuntimeError:
            pass  # another process is gone, but the work is done

    def fail(self, reason: str) -> None:
        """Tell the others that this process ends, and why."""
        if self._store is None or self._done.is_set():
            return
        self._done.set()
        try:
            self._store.set(f"failed/{self._rank}", reason)
            self._store.add("failures", 1)
        except RuntimeError:
            return
        if self._rank == 0:
            time.sleep(2 * BEAT_SECONDS)  # the store ends with this process: let the others read

    def _beat(self, number: int) -> None:
        assert self._store is not None
        self._store.set(f"alive/{self._rank}", str(number))

    def _watch(self) -> None:
        number = 0
        while not self._done.wait(BEAT_SECONDS):
            number += 1
            try:
                self._beat(number)
                reason = self._reason()
            except RuntimeError:
                reason = "process 0, which holds the run's store, is gone"
            if reason and not self._done.wait(_GRACE_SECONDS):
                print(
                    f"visinstruct: process {self._rank} ends: {reason}", file=sys.stderr, flush=True
                )
                os._exit(EXIT_PEER_LOST)

    def _reason(self) -> str | None:
        assert self._store is not None
        now = time.monotonic()
        if self._store.add("failures", 0):
            for other in self._seen:
                if self._store.check([f"failed/{other}"]):
                    why = self._store.get(f"failed/{other}").decode(errors="replace")
                    return f"process {other} failed: {why}"
        for other, (beat, since) in self._seen.items():
            if self._store.check([f"done/{other}"]):
                continue
            latest = (
                self._store.get(f"alive/{other}") if self._store.check([f"alive/{other}"]) else b""
            )
            if latest != beat:
                self._seen[other] = (latest, now)
            elif now - since > self._limit:
                return f"process {other} has shown no sign of life for {now - since:.0f} s"
        return None
