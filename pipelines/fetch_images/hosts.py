"""Turns of hosts: which URL is asked for next, so that no host is asked too often and no connection idles.

Everything is a function of the time that the caller gives. URLs are numbers; those of a host are consecutive.
"""

import heapq
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MAX_FAILURES = 5
"""Failed URLs of a host in a row, none of them answered, after which it is given up."""


class Turn(NamedTuple):
    """A URL to ask for. If its host is `given_up`, it is not asked any more. `attempt` counts from 1."""

    host: int
    url: int
    attempt: int
    given_up: bool


@dataclass
class _Host:
    next: int
    end: int
    retries: deque[tuple[int, int]]  # of URLs, with the attempt
    active: int = 0
    ready_at: float = 0.0
    failures: int = 0
    queued: bool = False

    @property
    def has_work(self) -> bool:
        return self.next < self.end or bool(self.retries)


class Hosts:
    """The URLs of many hosts, and when each may be asked for.

    Hosts are begun as connections become free, the largest first, so that memory holds only those that are
    being asked.

    Args:
        starts: The number of the first URL of each host, ascending, and after them that of all URLs.
        rate: Requests a second to one host; None for any number.
        connections: Requests to one host at a time.
    """

    def __init__(self, starts: npt.ArrayLike, rate: float | None, connections: int) -> None:
        self._connections = connections
        self._gap = 0.0 if rate is None else 1.0 / rate
        self._starts = np.asarray(starts, np.int64)
        sizes = np.diff(self._starts)
        order = np.argsort(-sizes, kind="stable")
        self._waiting = order[: np.count_nonzero(sizes)]
        self._num_begun = 0
        self._hosts: dict[int, _Host] = {}
        self._ready: list[tuple[float, int]] = []

    def take(self, now: float) -> Turn | float | None:
        """Return the next turn; or the time at which there may be one; None when all URLs are done.

        If a finished request is needed first, that time is infinite.
        """
        while True:
            if self._ready and self._ready[0][0] <= now:
                due, number = heapq.heappop(self._ready)
                host = self._hosts[number]
                host.queued = False
                if due < host.ready_at:  # it was paused meanwhile
                    self._queue(number, host)
                    continue
                return self._turn(number, host, now)
            if self._num_begun < len(self._waiting):
                number = int(self._waiting[self._num_begun])
                self._num_begun += 1
                start, end = map(int, self._starts[number : number + 2])
                host = self._hosts[number] = _Host(start, end, deque())
                return self._turn(number, host, now)
            if self._ready:
                return self._ready[0][0]
            return float("inf") if self._hosts else None

    def done(self, turn: Turn, *, answered: bool) -> None:
        """Say that a URL is done; `answered` if its host gave a response that says something about it."""
        host = self._hosts[turn.host]
        if not turn.given_up:
            host.failures = 0 if answered else host.failures + 1
        self._released(turn.host, host)

    def again(self, turn: Turn, now: float, delay: float) -> None:
        """Put a URL back, to be asked for again; its host rests for `delay` seconds."""
        host = self._hosts[turn.host]
        host.retries.append((turn.url, turn.attempt + 1))
        host.ready_at = max(host.ready_at, now + delay)
        self._released(turn.host, host)

    def _turn(self, number: int, host: _Host, now: float) -> Turn:
        if host.retries:
            url, attempt = host.retries.popleft()
        else:
            url, attempt = host.next, 1
            host.next += 1
        host.active += 1
        given_up = host.failures >= MAX_FAILURES
        if not given_up:
            host.ready_at = max(now, host.ready_at) + self._gap
        self._queue(number, host)
        return Turn(number, url, attempt, given_up)

    def _released(self, number: int, host: _Host) -> None:
        host.active -= 1
        if host.failures >= MAX_FAILURES:
            host.ready_at = 0.0
        self._queue(number, host)
        if not host.has_work and not host.active:
            del self._hosts[number]

    def _queue(self, number: int, host: _Host) -> None:
        if not host.queued and host.has_work and host.active < self._connections:
            host.queued = True
            heapq.heappush(self._ready, (host.ready_at, number))
