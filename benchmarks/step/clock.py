"""Times the steps of a loop by the batches that it takes."""

import time
from collections.abc import Iterator
from typing import TypeVar

import torch

Item = TypeVar("Item")


class Clock(Iterator[Item]):
    """Hands items on; item number `first` starts the clock, `first + steps` stops it.

    `seconds` are those of `steps` whole steps of the loop, `cpu_seconds` what this process spent in
    them, and `waited` the part in which the next item was not there yet. A GPU has ended its work when
    the clock starts and when it stops.
    """

    def __init__(self, items: Iterator[Item], first: int, steps: int, device: torch.device) -> None:
        self._items, self._first, self._last = items, first, first + steps
        self._device = device
        self._asked = 0
        self._started = (0.0, 0.0)
        self.seconds = self.cpu_seconds = self.waited = 0.0

    def __next__(self) -> Item:
        if self._asked == self._first:
            self._started = self._now()
        if self._asked == self._last:
            self.seconds, self.cpu_seconds = (
                now - started for now, started in zip(self._now(), self._started, strict=True)
            )
        before = time.perf_counter()
        item = next(self._items)
        if self._first <= self._asked < self._last:
            self.waited += time.perf_counter() - before
        self._asked += 1
        return item

    def _now(self) -> tuple[float, float]:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter(), time.process_time()
