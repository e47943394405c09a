"""How far an evaluation is: a line when a task begins and ends, and one every few seconds between."""

import sys
import time


class Progress:
    """Prints to stderr, from the first process alone."""

    def __init__(self, speaks: bool, every_seconds: float = 20.0) -> None:
        self._speaks, self._every = speaks, every_seconds
        self._name, self._total, self._done = "", 0, 0
        self._start = self._last = time.monotonic()

    def begin(self, name: str, total: int, left: int) -> None:
        """A task of `total` records, of which `left` are this process's to ask."""
        self._name, self._total, self._done = name, left, 0
        self._start = self._last = time.monotonic()
        if left < total:
            self._say(f"{name}: {left:,} of {total:,} records for this process")

    def add(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            rate = self._done / (now - self._start)
            left = (self._total - self._done) / rate
            self._say(
                f"{self._name}: {self._done:,} of {self._total:,}, {rate:.1f} a second, "
                f"{left / 60:.0f} minutes left"
            )

    def end(self, total: int) -> None:
        self._say(f"{self._name}: {total:,} records in {time.monotonic() - self._start:.1f} s")

    def _say(self, sentence: str) -> None:
        if self._speaks:
            print(sentence, file=sys.stderr, flush=True)
