"""The estimate of a build: its files are indexed and planned in full, and of each split a slice is built."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from datagen.build.declared import digests, files_read, resolve_all
from datagen.build.finish import trained_splits
from datagen.build.options import BuildOptions
from datagen.build.plan import (
    check_image_roots,
    choose_splits,
    media_roots,
)
from datagen.build.planner import index_files, make_plan
from datagen.build.staging import Staging
from datagen.files import is_url
from datagen.sources.declared.compile import pack_file
from datagen.stores.any_files import AnyFiles
from pipelines.build.engine_cost import TYPICAL, EngineCost
from pipelines.build.estimate.combine import BuildEstimate, Found, combine
from pipelines.build.estimate.counted_files import CountedFiles, CountedRoots
from pipelines.build.estimate.extrapolate import estimate_split
from pipelines.build.estimate.finishing import measure_finish
from pipelines.build.estimate.meter import Measured, measure
from pipelines.build.estimate.own_slice import data_bytes, normal_slices
from pipelines.build.estimate.simulate import Cluster
from pipelines.build.estimate.slice import Slicer

SLICE_ROWS = 20_000
EMBED_SLICE_ROWS = 4_000
"""Rows of each split that are built for an estimate: fewer where each brings the bytes of an image."""


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
    return replace(combine(found, engine, cluster), took_seconds=time.perf_counter() - began)


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

    def run(self) -> Found:
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
        media = CountedRoots(
            roots, self.files, options.follow_links, packs=packs, counted=self.files
        )
        trained = trained_splits(plan, options)
        slicer = Slicer(options, media, self.files, self.staging)
        warm = slicer.warm_up(min(plan.splits, key=lambda each: each.rows))
        samples = []
        for each in plan.splits:
            weight = 1.0 if each.split in trained.get(each.source, ()) else None
            times = slices[each.source].times if each.source in slices else 1.0
            sample = slicer.sample(each, self.slice_rows, weight, times)
            samples.append(sample)
            rows = sum(part.rows for part in sample.ranges)
            self.say(
                f"slice: {each.source}/{each.split}, {rows:,} of {each.rows * times:,.0f} rows"
            )
        splits = [estimate_split(n, sample) for n, sample in enumerate(samples)]
        finishing = measure_finish(options, samples, splits, self.files, self.staging)
        return Found(
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
