"""The numbers of a whole build, put together from those of its splits and steps."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from datagen.build.plan import (
    MissingSplit,
)
from datagen.stores.store import THREADS
from pipelines.build.engine_cost import EngineCost
from pipelines.build.estimate.bounds import UNKNOWN_SPREAD, Bounds, highest, total
from pipelines.build.estimate.cluster import ClusterEstimate, estimate_cluster
from pipelines.build.estimate.counted_files import Traffic
from pipelines.build.estimate.extrapolate import SplitEstimate
from pipelines.build.estimate.finishing import Finishing
from pipelines.build.estimate.meter import Cost
from pipelines.build.estimate.own_slice import OwnSlice
from pipelines.build.estimate.phases import Phase
from pipelines.build.estimate.simulate import Cluster
from pipelines.build.estimate.slice import SplitSample

KEPT_FRACTION, MEMORY_FRACTION = 0.1, 0.15
"""A build keeps memory that it has freed, more than its slice: in all, 5 to 19 % more were measured (`docs/benchmarks.md`).
How much depends on the order in which it was freed."""

CLOCK_FRACTION, BUSY_FRACTION = 0.1, 0.25
"""CPU seconds of equal runs differ by a tenth (`docs/benchmarks.md`), on a machine with more work than processors
by a quarter: 78 and 101 were measured for one slice."""

FILE_SECONDS = 30e-6
"""Of removing a file of the staging folder, on a local disk."""


@dataclass(frozen=True)
class BuildEstimate:
    """The numbers of a build in one process, and on `cluster` if one was given.

    `cpu_seconds` and `seconds` do not include starting Python; `seconds` is for a machine that does nothing else.
    `files` and `output_bytes` are of the dataset, `staging_bytes` of what lies beside it until the end, and
    `disk_bytes` of both, which a build needs free. `memory_bytes` is the peak of the process.
    `failure` is why the build is likely to be refused at its end, or None. The machine `was_busy` if it had more to
    do than processors; then times are less certain.
    """

    splits: tuple[SplitEstimate, ...]
    missing: tuple[MissingSplit, ...]
    phases: tuple[Phase, ...]
    rows: int
    sampled_rows: int
    records: Bounds
    files: int
    output_bytes: Bounds
    staging_bytes: Bounds
    staging_files: int
    memory_bytes: Bounds
    launcher_bytes: float
    failure: str | None
    cluster: ClusterEstimate | None
    was_busy: bool
    took_seconds: float

    @property
    def disk_bytes(self) -> Bounds:
        return self.output_bytes + self.staging_bytes

    @property
    def cpu_seconds(self) -> Bounds:
        """Return the CPU seconds; the bounds include that equal runs take unequal times."""
        noise = BUSY_FRACTION if self.was_busy else CLOCK_FRACTION
        return total(phase.cpu for phase in self.phases).widened(noise)

    @property
    def seconds(self) -> Bounds:
        return self.cpu_seconds.plus(sum(phase.waiting_seconds for phase in self.phases))

    @property
    def traffic(self) -> Traffic:
        return sum((phase.traffic for phase in self.phases), Traffic())


@dataclass(frozen=True)
class Found:
    """All that was measured."""

    missing: tuple[MissingSplit, ...]
    index: Cost
    plan: Cost
    own: tuple[OwnSlice, ...]
    warm: Cost
    samples: tuple[SplitSample, ...]
    splits: tuple[SplitEstimate, ...]
    finishing: Finishing


def combine(found: Found, engine: EngineCost, cluster: Cluster | None) -> BuildEstimate:
    splits, finishing = found.splits, found.finishing
    parts = sum(each.ranges + each.shards for each in splits)
    runs = sum(each.runs for each in splits)
    shards = sum(each.shards for each in splits)
    side_files = sum(6 * each.ranges + 3 * each.shards for each in splits)
    own_bytes = sum(each.cost.staging.written_bytes * each.times for each in found.own)
    dataset_files = shards + finishing.files
    output = total(each.output_bytes for each in splits).plus(finishing.other_bytes)
    staged = total(each.staged_bytes.plus(each.side_bytes) for each in splits)
    setup = [each.setup for each in splits]
    phases = (
        Phase.known("start", engine.start_seconds + found.warm.cpu_seconds),
        _measured("index", found.index),
        *([_own_rows(found.own)] if found.own else []),
        _measured("plan", found.plan),
        Phase(
            "stage",
            total(each.stage_cpu for each in splits).plus(sum(c.cpu_seconds for c in setup)),
            sum(each.stage_waiting for each in splits),
            sum((each.stage_traffic for each in splits), Traffic()),
            in_workers=True,
        ),
        Phase(
            "write",
            total(each.write_cpu for each in splits),
            sum(each.write_waiting for each in splits),
            sum((each.write_traffic for each in splits), Traffic()),
            in_workers=True,
        ),
        Phase.known("engine", parts * engine.seconds_per_part + runs * engine.seconds_per_run),
        Phase("finish", finishing.cpu, finishing.waiting_seconds, finishing.traffic),
        Phase(
            "publish",
            Bounds.exact(side_files * FILE_SECONDS),
            0,
            Traffic(writes=dataset_files + side_files, lists=4),  # copies and removals
            at_once=THREADS,
        ),
    )
    launcher = runs * engine.bytes_per_run + sum(each.report_bytes for each in splits)
    peaks = [
        found.index.base_bytes + found.index.rise_bytes,
        found.plan.base_bytes + found.plan.rise_bytes,
        *(max(each.stage_peak_bytes, each.write_peak_bytes) for each in splits),
        finishing.peak_bytes,
    ]
    peak = highest(map(Bounds.exact, peaks)).times(1 + KEPT_FRACTION)
    memory = peak.plus(launcher).widened(MEMORY_FRACTION)
    estimate = BuildEstimate(
        splits=splits,
        missing=found.missing,
        phases=phases,
        rows=sum(each.rows for each in splits),
        sampled_rows=sum(each.sampled_rows for each in splits),
        records=total(each.records for each in splits),
        files=dataset_files,
        output_bytes=output,
        staging_bytes=staged.plus(found.plan.staging.written_bytes + own_bytes),
        staging_files=side_files,
        memory_bytes=memory,
        launcher_bytes=launcher,
        failure=finishing.failure,
        cluster=None,
        was_busy=_is_busy(),
        took_seconds=0,
    )
    if cluster is None:
        return estimate
    return replace(
        estimate, cluster=estimate_cluster(phases, splits, cluster, found.warm.cpu_seconds)
    )


def _is_busy() -> bool:
    """Return True if the machine has had more to do in the last minute than it has processors."""
    return os.getloadavg()[0] > (os.cpu_count() or 1) + 0.5


def _measured(name: str, cost: Cost) -> Phase:
    return Phase(
        name, Bounds.exact(cost.cpu_seconds), cost.waiting_seconds, cost.data + cost.staging
    )


def _own_rows(own: Sequence[OwnSlice]) -> Phase:
    """Return the phase in which own data become normal rows, of all sources."""
    whole = all(each.times == 1 for each in own)
    cpu = sum(each.cost.cpu_seconds * each.times for each in own)
    return Phase(
        "own rows",
        Bounds.exact(cpu).widened(0 if whole else UNKNOWN_SPREAD),
        sum(each.cost.waiting_seconds * each.times for each in own),
        sum(((each.cost.data + each.cost.staging).times(each.times) for each in own), Traffic()),
    )
