"""Pulse: the sign of life of a build's workers, from which the process that started it knows a stall.

Engines differ in what they say about a worker that dies: some start its work again, some wait for ever.
So each process that works on a part writes a small file to the staging folder every few seconds, which
changes only when its work moves on. Nothing compares clocks, so those of two hosts may differ.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from datagen.build.staging import Staging
from datagen.errors import UserError
from datagen.files import Files

LONGEST_BEAT_SECONDS = 15.0
BEATS_PER_STALL = 4


@dataclass(frozen=True)
class Worker:
    """A process that works on parts of a build, and the parts that it worked on when it last wrote."""

    host: str
    pid: int
    parts: tuple[str, ...]

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} in {', '.join(self.parts)}"


@dataclass
class Pulse:
    """Writes the file of this process. The same for all threads that work on one build."""

    staging: Staging
    files: Files
    beat_seconds: float
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _working: dict[int, str] = field(default_factory=dict)
    _done: int = 0
    _thread: threading.Thread | None = None

    @contextmanager
    def working(self, part: str) -> Iterator[None]:
        """Say in the file, as long as the context is open, that this thread works on `part`."""
        me = threading.get_ident()
        with self._lock:
            self._working[me] = part
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._working[me]
                self._done += 1

    def _beat(self) -> None:
        """Write while there is work; end after a beat without any, so that an idle worker writes nothing."""
        while True:
            time.sleep(self.beat_seconds)
            with self._lock:
                if not self._working:
                    self._thread = None
                    return
                with suppress(
                    OSError, UserError
                ):  # the part itself meets the same disk, and reports it
                    self._write()

    def _write(self) -> None:
        state = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "parts": list(self._working.values()),
            "done": self._done,
            "processor_seconds": [_processor_seconds(thread) for thread in self._working],
        }
        name = f"{state['host']}-{state['pid']}.json"
        with self.files.create(self.staging.pulse(name), durable=False) as file:
            file.write(json.dumps(state).encode())


def _processor_seconds(thread: int) -> float:
    """Return the processor time of a thread: a part that takes long uses some, one that hangs none."""
    return round(time.clock_gettime(time.pthread_getcpuclockid(thread)), 2)


_pulses: dict[str, Pulse] = {}
_pulses_lock = threading.Lock()


def pulse_of(staging: Staging, files: Files, stall_seconds: float) -> Pulse:
    """Return the pulse of this process in a build; `stall_seconds` is how long it may stand still."""
    beat = min(LONGEST_BEAT_SECONDS, stall_seconds / BEATS_PER_STALL)
    with _pulses_lock:
        found = _pulses.get(staging.root)
        if found is None or found.beat_seconds != beat:
            found = _pulses[staging.root] = Pulse(staging, files, beat)
        return found


def read_pulses(staging: Staging, files: Files) -> dict[str, bytes]:
    """Return the content of each worker's file, by path."""
    found = {}
    for path in files.match(staging.pulse("*")):
        with suppress(OSError), files.open_binary(path) as file:
            found[path] = file.read()
    return found


def worker_of(content: bytes) -> Worker:
    """Return the worker that wrote a file."""
    state = json.loads(content)
    return Worker(state["host"], state["pid"], tuple(state["parts"]))
