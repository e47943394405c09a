"""Workers on paper: a phase of a build scheduled over many workers by simulation of its events."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from pipelines.build.estimate.extrapolate import Work


@dataclass(frozen=True)
class Cluster:
    """The machines that a build is planned for.

    `store_latency_seconds` is that of one request of an object store, 0 for a file system. A worker moves
    `bytes_per_second`, and has `start_seconds` before its first work; the process that started the
    build hands out one part of the work every `dispatch_seconds`. `store_requests_per_second` and
    `store_bytes_per_second` are what all workers together get. With `is_static`, every worker gets its
    share of the parts beforehand, as Beam's own engine does it; else each takes the next when it is free.
    Where workers share processors, everything that they compute takes `cpu_times` as long.
    """

    workers: int
    store_latency_seconds: float = 0
    bytes_per_second: float = inf
    start_seconds: float = 0
    dispatch_seconds: float = 0
    store_requests_per_second: float = inf
    store_bytes_per_second: float = inf
    is_static: bool = False
    cpu_times: float = 1


@dataclass(frozen=True)
class PhaseRun:
    """A simulated phase.

    `seconds` are the longest of `bounds`: by name, how long the phase would take if nothing else held it up.
    `busy` is the part of the workers' time that was used, `longest` the part of the work that takes longest.
    """

    seconds: float
    busy: float
    bounds: Mapping[str, float]
    longest: Work | None = None

    @property
    def limit(self) -> str:
        """Return the name of what holds the phase up."""
        return max(self.bounds, key=lambda name: self.bounds[name])


WORKERS = "number of workers"
LONGEST = "longest part"
DISPATCH = "handing out parts"
REQUESTS = "store requests a second"
BANDWIDTH = "store bandwidth"
START = "start of workers"


def seconds_of(work: Work, cluster: Cluster) -> float:
    """Return how long a worker is at a part: it computes, waits for requests one by one, and moves bytes."""
    return (
        work.cpu_seconds * cluster.cpu_times
        + work.waiting_seconds
        + work.requests * cluster.store_latency_seconds
        + work.moved_bytes / cluster.bytes_per_second
    )


def spent_on(work: Work, cluster: Cluster) -> str:
    """Return what a worker is mostly at in a part of the work."""
    seconds = {
        "computing": work.cpu_seconds * cluster.cpu_times,
        "waiting for disks": work.waiting_seconds,
        "requests, one after the other": work.requests * cluster.store_latency_seconds,
        "moving bytes": work.moved_bytes / cluster.bytes_per_second,
    }
    return max(seconds, key=lambda name: seconds[name])


def schedule(
    seconds: Sequence[float],
    cluster: Cluster,
    setup: Sequence[float] = (),
    groups: Sequence[int] = (),
) -> tuple[float, float]:
    """Schedule parts in their order; return when the last ends, and the seconds in which workers worked.

    Args:
        seconds: How long each part takes.
        cluster: The workers. Part i is handed out no sooner than `(i + 1) * dispatch_seconds`.
        setup: By group, the seconds that a worker needs once before its first part of the group.
        groups: The group of each part, where there is a `setup`.

    Examples:
        >>> schedule([3, 2, 2], Cluster(workers=2))
        (4, 7)
    """
    free: list[tuple[float, int]] = [
        (0, number) for number in range(min(cluster.workers, max(1, len(seconds))))
    ]
    loaded: dict[int, set[int]] = {}
    end: float = 0
    worked: float = 0
    ready: list[float] = [0] * len(free)
    for number, length in enumerate(seconds):
        if cluster.is_static:
            worker = number % len(free)
            at = ready[worker]
        else:
            at, worker = heapq.heappop(free)
        begin = max(at, (number + 1) * cluster.dispatch_seconds)
        had = loaded.setdefault(worker, set())
        once = 0 if had else cluster.start_seconds
        group = groups[number] if setup else 0
        if setup and group not in had:
            once += setup[group]
        had.add(group)
        done = begin + once + length
        ready[worker] = done
        if not cluster.is_static:
            heapq.heappush(free, (done, worker))
        end, worked = max(end, done), worked + once + length
    return end, worked


def run_phase(work: Sequence[Work], cluster: Cluster, setup: Sequence[Work] = ()) -> PhaseRun:
    """Simulate a phase; `setup` is what a worker loads for each group of its parts."""
    if not work:
        return PhaseRun(0, 0, {WORKERS: 0})
    seconds = [seconds_of(each, cluster) for each in work]
    once = [seconds_of(each, cluster) for each in setup]
    end, worked = schedule(seconds, cluster, once, [each.group for each in work])
    requests = sum(each.requests for each in work)
    moved = sum(each.moved_bytes for each in work)
    lengths = [
        length + (once[each.group] if once else 0)
        for length, each in zip(seconds, work, strict=True)
    ]
    longest = max(lengths)
    bounds = {
        WORKERS: worked / cluster.workers,
        LONGEST: longest,
        START: cluster.start_seconds,
        DISPATCH: len(work) * cluster.dispatch_seconds,
    }
    if cluster.store_latency_seconds:
        bounds[REQUESTS] = requests / cluster.store_requests_per_second
        bounds[BANDWIDTH] = moved / cluster.store_bytes_per_second
    return PhaseRun(
        seconds=max(end, *bounds.values()),
        busy=worked / (cluster.workers * max(end, 1e-9)),
        bounds=bounds,
        longest=work[lengths.index(longest)],
    )
