"""Measures what a piece of work costs this process: CPU, waiting, memory, requests and bytes."""

import ctypes
import re
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipelines.build.estimate.counted_files import NO_TRAFFIC, CountedFiles, Traffic

_PEAK = re.compile(r"^Vm(HWM|RSS):\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    """The cost of a piece of work.

    `waiting_seconds` are those in which it neither computed nor stood in the queue for a processor:
    mostly waiting for disks. `rise_bytes` is how far memory rose above `base_bytes`, those of the start.
    `staging` is the traffic below the staging folder, `data` that of everything else.
    """

    cpu_seconds: float = 0
    waiting_seconds: float = 0
    base_bytes: float = 0
    rise_bytes: float = 0
    staging: Traffic = NO_TRAFFIC
    data: Traffic = NO_TRAFFIC

    @property
    def seconds(self) -> float:
        return self.cpu_seconds + self.waiting_seconds


class Measured:
    """The cost of a block, once it has ended."""

    cost: Cost = Cost()


@contextmanager
def measure(files: CountedFiles) -> Iterator[Measured]:
    """Measure a block; what it cost is in `cost` of the given object once the block has ended."""
    measured = Measured()
    before = files.traffic()
    _release_unused()
    base = _reset_peak()
    queued, wall, spent = _queued_seconds(), time.perf_counter(), time.process_time()
    yield measured
    spent = time.process_time() - spent
    wall = time.perf_counter() - wall
    queued = _queued_seconds() - queued
    staging, data = (now - then for now, then in zip(files.traffic(), before, strict=True))
    measured.cost = Cost(
        cpu_seconds=spent,
        waiting_seconds=max(0.0, wall - spent - queued),
        base_bytes=base,
        rise_bytes=max(0, _memory()[0] - base),
        staging=staging,
        data=data,
    )


def _release_unused() -> None:
    """Give memory that is no longer used back to the system, so that what follows shows how much it needs."""
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes() -> int:
    """Return the memory of this process that is resident now."""
    return _memory()[1]


def _reset_peak() -> int:
    """Begin a new peak of resident memory, where the system can (Linux); return what is resident now."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
        return _memory()[1]
    return _memory()[0]


def _memory() -> tuple[int, int]:
    """Return the peak of resident bytes and those resident now; the peak twice where only it is known."""
    with suppress(OSError):
        found = dict(_PEAK.findall(Path("/proc/self/status").read_text()))
        if len(found) == 2:
            return int(found["HWM"]) * 1024, int(found["RSS"]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return peak, peak


def _queued_seconds() -> float:
    """Return how long this process has waited for a processor that others had; 0 where it is not known."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    return 0.0
