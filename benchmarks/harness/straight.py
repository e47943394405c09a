"""The whole build without Beam: the same functions in a plain loop, in one process.

What Beam costs is the difference to `pipelines.build`; the dataset is the same to the byte.
"""

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO

from datagen.build.finish import finish, mixture_of, trained_splits
from datagen.build.options import BuildOptions
from datagen.build.plan import BuildPlan, SplitPlan, choose_splits, media_roots
from datagen.build.planner import index_files, input_files, make_plan
from datagen.build.shard_writer import ShardWriter, StagedPlace
from datagen.build.stage import SplitStager
from datagen.build.staging import RangeReport, Staging
from datagen.build.totals import SplitWork
from datagen.files import Files, LocalFiles
from datagen.media.media import MediaRoots
from datagen.schema.manifest import Manifest
from pipelines.build.fingerprint import identify


def straight_build(options: BuildOptions, files: Files, staging: Staging) -> dict[str, Any]:
    """Build the dataset that `options` describe; returns facts about it, and the seconds of each stage."""
    watch = Stopwatch()
    chosen, missing = choose_splits(options, files)
    indexes = index_files(options, files, chosen)
    inputs = input_files(options, chosen, indexes)
    identity = identify(options, inputs)
    watch.lap("index")
    plan = make_plan(options, files, staging, chosen, indexes)
    plan = BuildPlan(plan.splits, (*missing, *plan.missing))
    watch.lap("plan")
    loops = [_SplitLoop(split, options, files, staging) for split in plan.splits]
    for loop in loops:
        loop.stage()
    watch.lap("stage")
    weights = _weights(plan, options, {loop.name: loop.unique_rows() for loop in loops})
    work = [loop.work(weights.get(loop.name)) for loop in loops]
    watch.lap("write")
    manifest = finish(
        plan,
        work,
        options,
        files,
        staging,
        inputs=inputs,
        fingerprint=identity.fingerprint,
        versions=identity.versions,
    )
    os.rename(staging.output, options.out)
    shutil.rmtree(staging.root)
    watch.lap("finish")
    return facts(manifest) | {"stages": watch.laps}


class Stopwatch:
    """Wall and CPU seconds from lap to lap."""

    def __init__(self) -> None:
        self.laps: dict[str, tuple[float, float]] = {}
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def lap(self, name: str) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self.laps[name] = (wall - self._wall, cpu - self._cpu)
        self._wall, self._cpu = wall, cpu


@dataclass
class _SplitLoop:
    """One split: its ranges in order, then its shards in order."""

    split: SplitPlan
    options: BuildOptions
    files: Files
    staging: Staging
    ranges: list[RangeReport] = field(default_factory=list)
    places: dict[int, list[StagedPlace]] = field(default_factory=lambda: defaultdict(list))

    @property
    def name(self) -> str:
        return f"{self.split.source}/{self.split.split}"

    def _arguments(self) -> tuple[SplitPlan, BuildOptions, MediaRoots, Files, Staging]:
        roots = MediaRoots(media_roots(self.options), self.files)
        return self.split, self.options, roots, self.files, self.staging

    def stage(self) -> None:
        stager = SplitStager(*self._arguments())
        for planned in self.split.ranges:
            report = stager.stage(planned)
            self.ranges.append(report)
            for place in report.places:
                self.places[place.shard].append(StagedPlace(planned.number, place))

    def unique_rows(self) -> int:
        writer = ShardWriter(*self._arguments())
        return sum(writer.unique_rows(places) for places in self.places.values())

    def work(self, weight: float | None) -> SplitWork:
        writer = ShardWriter(*self._arguments())
        shards = [writer.write(shard, p, weight) for shard, p in sorted(self.places.items())]
        return SplitWork(self.split, self.ranges, shards)


def _weights(
    plan: BuildPlan, options: BuildOptions, records: Mapping[str, int]
) -> dict[str, float]:
    """p_d / S_d of the held-in training splits."""
    mixture = mixture_of(plan, options, records)
    return {
        f"{source}/{split}": mixture[source].record_weight
        for source, splits in trained_splits(plan, options).items()
        for split in splits
    }


class MemoryFiles(LocalFiles):
    """Local files, but those that need not survive a crash are kept in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def open_binary(self, path: str) -> BinaryIO:
        return BytesIO(self.kept[path]) if path in self.kept else super().open_binary(path)

    def create(self, path: str, *, durable: bool = True) -> Any:
        return super().create(path) if durable else _Kept(self.kept, path)

    def exists(self, path: str) -> bool:
        return path in self.kept or super().exists(path)


class _Kept(BytesIO):
    """A file of `MemoryFiles` while it is written."""

    def __init__(self, kept: dict[str, bytes], path: str) -> None:
        super().__init__()
        self.kept, self.path = kept, path

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self.kept[self.path] = self.getvalue()
        super().__exit__(*error)


def facts(manifest: Manifest) -> dict[str, Any]:
    """Return the facts that a case reports about the dataset that it built."""
    splits = [split for by_name in manifest.splits.values() for split in by_name.values()]
    return {"rows": sum(s.written for s in splits), "content_hash": manifest.content_hash}
