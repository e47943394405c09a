"""A build on many workers, simulated: how long each phase takes, what limits it, how many workers are of use."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.build.estimate.extrapolate import SplitEstimate, Work
from pipelines.build.estimate.phases import Phase
from pipelines.build.estimate.simulate import (
    LONGEST,
    WORKERS,
    Cluster,
    run_phase,
    seconds_of,
    spent_on,
)

USEFUL_GAIN = 0.1
"""Twice as many workers are of use while they save this part of the time."""

ONE_MACHINE = "one machine"


@dataclass(frozen=True)
class ClusterPhase:
    """A simulated phase: its seconds, what holds it up, and the part of the workers' time that is used."""

    name: str
    seconds: float
    limit: str
    busy: float | None = None


@dataclass(frozen=True)
class ClusterEstimate:
    """A build on a cluster. `useful_workers` is the number beyond which twice as many save less than a tenth."""

    cluster: Cluster
    phases: tuple[ClusterPhase, ...]
    useful_workers: int

    @property
    def seconds(self) -> float:
        return sum(phase.seconds for phase in self.phases)

    @property
    def bottleneck(self) -> ClusterPhase:
        """Return the phase that takes longest."""
        return max(self.phases, key=lambda phase: phase.seconds)


def estimate_cluster(
    phases: Sequence[Phase],
    splits: Sequence[SplitEstimate],
    cluster: Cluster,
    warm_seconds: float = 0,
) -> ClusterEstimate:
    """Simulate a build on a cluster; `warm_seconds` of CPU are what each worker's first part takes longer."""
    cluster = replace(cluster, start_seconds=cluster.start_seconds + warm_seconds)
    simulated = _simulate(phases, splits, cluster)
    return ClusterEstimate(cluster, simulated, _useful(phases, splits, cluster))


def _simulate(
    phases: Sequence[Phase], splits: Sequence[SplitEstimate], cluster: Cluster
) -> tuple[ClusterPhase, ...]:
    setup = [
        Work(
            number,
            each.setup.cpu_seconds,
            each.setup.waiting_seconds,
            (each.setup.data + each.setup.staging).requests,
            (each.setup.data + each.setup.staging).moved_bytes,
        )
        for number, each in enumerate(splits)
    ]
    work = {
        "stage": [part for each in splits for part in each.range_work],
        "write": [part for each in splits for part in each.shard_work],
    }
    found = []
    for phase in phases:
        if phase.in_workers:
            started = cluster if phase.name == "stage" else replace(cluster, start_seconds=0)
            once = setup if phase.name == "stage" else ()
            run = run_phase(work[phase.name], started, once)
            limit = run.limit
            if run.longest is not None and limit in (LONGEST, WORKERS):
                split = splits[run.longest.group].name
                limit = f"{limit}: {split}, {spent_on(run.longest, cluster)}"
            found.append(ClusterPhase(phase.name, run.seconds, limit, run.busy))
        else:
            alone = Work(
                0,
                phase.cpu.value,
                phase.waiting_seconds,
                phase.traffic.requests / phase.at_once,
                phase.traffic.moved_bytes,
            )
            limit = f"{ONE_MACHINE}: {spent_on(alone, cluster)}"
            found.append(ClusterPhase(phase.name, seconds_of(alone, cluster), limit))
    return tuple(found)


def _useful(phases: Sequence[Phase], splits: Sequence[SplitEstimate], cluster: Cluster) -> int:
    parts = sum(each.ranges for each in splits)
    workers = 1
    before = _seconds(phases, splits, replace(cluster, workers=1))
    while workers < parts:
        after = _seconds(phases, splits, replace(cluster, workers=2 * workers))
        if after > before * (1 - USEFUL_GAIN):
            break
        workers, before = 2 * workers, after
    return workers


def _seconds(phases: Sequence[Phase], splits: Sequence[SplitEstimate], cluster: Cluster) -> float:
    return sum(each.seconds for each in _simulate(phases, splits, cluster))
