"""The estimate of a build: its files are indexed and planned in full, and of each split a slice is built."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil

from datagen.build.declared import digests, files_read, resolve_all
from datagen.build.finish import trained_splits
from datagen.build.options import BuildOptions
from datagen.build.plan import (
    MissingSplit,
    check_image_roots,
    choose_splits,
    media_roots,
)
from datagen.build.planner import index_files, make_plan
from datagen.build.staging import Staging
from datagen.files import is_url
from datagen.media.media import MediaRoots
from datagen.sources.declared.compile import pack_file
from datagen.stores.any_files import AnyFiles
from datagen.stores.store import THREADS
from pipelines.build.engine_cost import TYPICAL, EngineCost
from pipelines.build.estimate.bounds import UNKNOWN_SPREAD, Bounds, highest, total
from pipelines.build.estimate.cluster import ClusterEstimate, estimate_cluster
from pipelines.build.estimate.counted_files import CountedFiles, Traffic
from pipelines.build.estimate.extrapolate import SplitEstimate, estimate_split
from pipelines.build.estimate.finishing import Finishing, measure_finish
from pipelines.build.estimate.meter import Cost, Measured, measure
from pipelines.build.estimate.own_slice import OwnSlice, data_bytes, normal_slices
from pipelines.build.estimate.phases import Phase
from pipelines.build.estimate.simulate import Cluster
from pipelines.build.estimate.slice import Slicer, SplitSample

SLICE_ROWS = 20_000
EMBED_SLICE_ROWS = 4_000
"""Rows of each split that are built for an estimate: fewer where each brings the bytes of an image."""

MEMORY_FRACTION = 0.15
"""Memory of equal builds differs by the order in which it was freed."""

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


def estimate_build(
    options: BuildOptions,
    *,
    files: AnyFiles | None = None,
    scratch: str | None = None,
    slice_rows: int | None = None,
    engine: EngineCost = TYPICAL,
    cluster: Cluster | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> BuildEstimate:
    """Estimate a build from a slice of its own data, which is really staged and written.

    The files are indexed and planned in full, so that rows, ranges and shards are exact; of each split,
    `slice_rows` rows are built in a temporary folder, which is removed. Nothing is written to `options.out`,
    and a dataset that is there does not count: the estimate is of a whole build.

    Args:
        options: The build.
        files: The file system of raw data and images; by default, as a build's.
        scratch: Folder for the temporary folder, best on the disk of the output; by default, the system's.
        slice_rows: Rows of each split that are built; by default `SLICE_ROWS` or `EMBED_SLICE_ROWS`.
        engine: The cost of Beam itself, see `measure_engine`.
        cluster: Workers to simulate; by default none.
        say: Receives a line for each step.

    Raises:
        UserError: as a build, as far as it is found in the slice.
    """
    began = time.perf_counter()
    if slice_rows is None:
        slice_rows = EMBED_SLICE_ROWS if options.images == "embed" else SLICE_ROWS
    files = files or AnyFiles()
    for path in filter(None, [options.raw, *options.image_roots.values()]):
        if is_url(path):
            files.store.check_reachable(path, writes=False)
    with tempfile.TemporaryDirectory(prefix="visinstruct-plan-", dir=scratch) as folder:
        staging = Staging(folder)
        counted = CountedFiles(files, folder)
        found = _Estimation(options, counted, staging, slice_rows, say).run()
    return replace(_combine(found, engine, cluster), took_seconds=time.perf_counter() - began)


@dataclass(frozen=True)
class _Found:
    """All that was measured."""

    missing: tuple[MissingSplit, ...]
    index: Cost
    plan: Cost
    own: tuple[OwnSlice, ...]
    warm: Cost
    samples: tuple[SplitSample, ...]
    splits: tuple[SplitEstimate, ...]
    finishing: Finishing


class _Estimation:
    """Builds the slices, step after step."""

    def __init__(
        self,
        options: BuildOptions,
        files: CountedFiles,
        staging: Staging,
        slice_rows: int,
        say: Callable[[str], None],
    ) -> None:
        self.options, self.files, self.staging = options, files, staging
        self.slice_rows, self.say = slice_rows, say

    def run(self) -> _Found:
        definitions, own_files = resolve_all(self.options.declared, self.files)
        options = self.options.model_copy(update={"declared": definitions}).with_own_mixture()
        roots = media_roots(options)
        check_image_roots(options)
        chosen, missing = choose_splits(options, self.files)
        with self._step("index", f"{len(chosen)} splits") as index:
            indexes = index_files(options, self.files, chosen)
            digests(files_read(definitions, own_files, self.files), self.files)
        sizes = data_bytes(own_files, self.files)
        slices, own = normal_slices(options, own_files, sizes, chosen, self.staging, self.files)
        with self._step("plan", "joins and ranges") as planning:
            plan = make_plan(options, self.files, self.staging, chosen, indexes | own)
        del indexes, own
        packs = {each.name: pack_file(each, self.staging.root) for each in definitions}
        media = MediaRoots(roots, self.files, options.follow_links, packs=packs)
        trained = trained_splits(plan, options)
        slicer = Slicer(options, media, self.files, self.staging)
        warm = slicer.warm_up(min(plan.splits, key=lambda each: each.rows))
        samples = []
        wide = max(plan.splits, key=lambda each: each.rows / each.num_shards)
        for each in plan.splits:
            weight = 1.0 if each.split in trained.get(each.source, ()) else None
            times = slices[each.source].times if each.source in slices else 1.0
            wanted = self.slice_rows
            if (
                each is wide and options.images == "reference"
            ):  # its peak of memory is measured whole
                wanted = max(wanted, min(ceil(each.rows / each.num_shards), 16 * wanted))
            sample = slicer.sample(each, wanted, weight, times)
            samples.append(sample)
            rows = sum(part.rows for part in sample.ranges)
            self.say(
                f"slice: {each.source}/{each.split}, {rows:,} of {each.rows * times:,.0f} rows"
            )
        splits = [estimate_split(n, sample) for n, sample in enumerate(samples)]
        finishing = measure_finish(options, samples, splits, self.files, self.staging)
        return _Found(
            missing=(*missing, *plan.missing),
            index=index.cost,
            plan=planning.cost,
            own=tuple(slices.values()),
            warm=warm,
            samples=tuple(samples),
            splits=tuple(splits),
            finishing=finishing,
        )

    @contextmanager
    def _step(self, name: str, what: str) -> Iterator[Measured]:
        with measure(self.files) as measured:
            yield measured
        self.say(f"{name}: {what}, {measured.cost.seconds:.1f} s")


def _combine(found: _Found, engine: EngineCost, cluster: Cluster | None) -> BuildEstimate:
    splits, finishing = found.splits, found.finishing
    parts = sum(each.ranges + each.shards for each in splits)
    runs = sum(each.runs for each in splits)
    shards = sum(each.shards for each in splits)
    side_files = sum(6 * each.ranges + 3 * each.shards for each in splits)
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
    memory = highest(map(Bounds.exact, peaks)).plus(launcher).widened(MEMORY_FRACTION)
    estimate = BuildEstimate(
        splits=splits,
        missing=found.missing,
        phases=phases,
        rows=sum(each.rows for each in splits),
        sampled_rows=sum(each.sampled_rows for each in splits),
        records=total(each.records for each in splits),
        files=dataset_files,
        output_bytes=output,
        staging_bytes=staged.plus(found.plan.staging.written_bytes),
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
