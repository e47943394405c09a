"""Stages and writes a slice of a split, as a build would, and measures each step."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

import msgspec
import pyarrow as pa
from msgspec import structs

from datagen.build.options import BuildOptions
from datagen.build.plan import RangePlan, SplitPlan
from datagen.build.planner import EMBED_SHARD_ROWS, SHARD_INPUT_BYTES
from datagen.build.shard_writer import ShardWriter, StagedPlace
from datagen.build.stage import SplitStager
from datagen.build.staging import Place, RangeReport, ShardReport, Staging
from datagen.media.media import MediaRoots
from pipelines.build.estimate.counted_files import CountedFiles
from pipelines.build.estimate.meter import Cost, measure

MIN_RANGES = 3
"""Ranges of a split that are measured at least, where it has so many: they show how much ranges differ."""


@dataclass(frozen=True)
class RangeSample:
    """A staged range. `decode` is the cost of reading and decoding its window, which `stage` includes.

    `window_bytes` are those of the whole window; `rows` were staged of it, `planned_rows` a build stages.
    """

    window_bytes: int
    planned_rows: int
    rows: int
    report: RangeReport
    report_bytes: int
    decode: Cost
    stage: Cost

    @property
    def share(self) -> float:
        """Return the part of the range's rows that was staged."""
        return self.rows / self.planned_rows


@dataclass(frozen=True)
class ShardSample:
    """A written shard. `places` are its runs of rows in staged ranges, `row_bytes` those of a row in memory."""

    places: int
    row_bytes: float
    report: ShardReport
    count: Cost
    write: Cost


@dataclass(frozen=True)
class SplitSample:
    """The slice of one split and the size of the whole.

    `plan` is the split as a build would make it; `rows_times` is above 1 where the plan itself is of a
    slice: as many times its ranges, rows and shards make the whole. `staged_plan` is the plan of the slice.
    `setup` is what each process loads once: tables and indexes of joins.
    """

    plan: SplitPlan
    rows_times: float
    num_shards: int
    staged_plan: SplitPlan
    setup: Cost
    ranges: tuple[RangeSample, ...]
    shards: tuple[ShardSample, ...]

    @property
    def is_whole(self) -> bool:
        """Return True if nothing is left to extrapolate."""
        all_ranges = len(self.ranges) == len(self.plan.ranges)
        uncut = all(each.rows == each.planned_rows for each in self.ranges)
        return self.rows_times == 1 and all_ranges and uncut

    @property
    def records(self) -> int:
        return sum(each.report.rows for each in self.shards)


class Slicer:
    """Makes the slices of a build's splits. Loaded tables and indexes stay, as in a build's process."""

    def __init__(
        self, options: BuildOptions, roots: MediaRoots, files: CountedFiles, staging: Staging
    ) -> None:
        self.options, self.roots, self.files, self.staging = options, roots, files, staging
        self._stagers: list[SplitStager] = []

    def warm_up(self, plan: SplitPlan) -> Cost:
        """Return what the first range and shard of a process cost more than the next: late imports, compiled templates."""
        costs = []
        for name in ("first", "second"):
            inner = Slicer(
                self.options, self.roots, self.files, Staging(f"{self.staging.root}/warm/{name}")
            )
            with measure(self.files) as measured:
                inner.sample(plan, 1, None)
            costs.append(measured.cost)
        first, second = costs
        return replace(first, cpu_seconds=max(0.0, first.cpu_seconds - second.cpu_seconds))

    def sample(
        self, plan: SplitPlan, slice_rows: int, weight: float | None, rows_times: float = 1
    ) -> SplitSample:
        """Stage and write about `slice_rows` rows of a split, from places spread evenly over it."""
        num_shards = plan.num_shards if rows_times == 1 else self._shards_of_own(plan, rows_times)
        chosen = choose_ranges(plan, slice_rows)
        share = sum(each.rows for each in chosen) / sum(
            plan.ranges[each.number].rows for each in chosen
        )
        # As many rows of each range for a shard as a build has, since their runs have a cost of their own.
        staged = replace(
            plan,
            num_shards=max(1, round(num_shards * share)),
            ranges=tuple({each.number: each for each in (*plan.ranges, *chosen)}.values()),
        )
        stager = SplitStager(staged, self.options, self.roots, self.files, self.staging)
        self._stagers.append(stager)
        with measure(self.files) as setup:
            _ = stager.tables, stager.key_indexes, stager.templates
        ranges = tuple(self._range(stager, plan.ranges[each.number], each) for each in chosen)
        is_whole = rows_times == 1 and len(chosen) == len(plan.ranges) and share == 1
        groups = _groups(plan, ranges, 1 if is_whole else num_shards, rows_times, is_whole)
        writer = ShardWriter(staged, self.options, self.roots, self.files, self.staging)
        shards = tuple(self._shard(writer, n, each, weight) for n, each in groups)
        return SplitSample(
            plan,
            rows_times,
            num_shards,
            replace(staged, ranges=tuple(chosen)),
            setup.cost,
            ranges,
            shards,
        )

    def _shards_of_own(self, plan: SplitPlan, rows_times: float) -> int:
        """Return the shards of a whole own source, by the rule of the planner, from the plan of its slice."""
        window_bytes = sum(each.window.end - each.window.start for each in plan.ranges)
        shards = window_bytes * rows_times / SHARD_INPUT_BYTES
        if plan.num_shards > max(
            1, round(window_bytes / SHARD_INPUT_BYTES)
        ):  # its images are embedded
            shards = max(shards, plan.rows * rows_times / EMBED_SHARD_ROWS)
        return max(1, round(shards))

    def _range(self, stager: SplitStager, whole: RangePlan, planned: RangePlan) -> RangeSample:
        with measure(self.files) as decode:
            stager.window_rows(planned)
        with measure(self.files) as stage:
            report = stager.stage(planned)
        return RangeSample(
            window_bytes=planned.window.end - planned.window.start,
            planned_rows=whole.rows,
            rows=planned.rows,
            report=report,
            report_bytes=len(msgspec.json.encode(report)),
            decode=decode.cost,
            stage=stage.cost,
        )

    def _shard(
        self, writer: ShardWriter, number: int, places: Sequence[StagedPlace], weight: float | None
    ) -> ShardSample:
        with measure(self.files) as count:
            writer.unique_rows(places)
        with measure(self.files) as write:
            report = writer.write(number, places, weight)
        largest = max(places, key=lambda each: each.place.rows)
        return ShardSample(
            len(places), self._row_bytes(writer, largest), report, count.cost, write.cost
        )

    def _row_bytes(self, writer: ShardWriter, staged: StagedPlace) -> float:
        """Return the bytes of a staged row in memory."""
        with self.files.open_binary(writer.staged(staged.range, "blocks")) as file:
            file.seek(staged.place.offset)
            data = pa.py_buffer(file.read(staged.place.length))
        return float(pa.ipc.open_stream(data).read_all().nbytes / staged.place.rows)


def choose_ranges(plan: SplitPlan, slice_rows: int) -> list[RangePlan]:
    """Return ranges of a split of about `slice_rows` rows, each cut to its first rows where it has more."""
    ranges = plan.ranges
    if plan.rows <= slice_rows:
        return list(ranges)
    wanted = ceil(slice_rows / (plan.rows / len(ranges)))
    number = min(len(ranges), max(MIN_RANGES, wanted))
    cut = max(1, ceil(slice_rows / number))
    places = [(2 * n + 1) * len(ranges) // (2 * number) for n in range(number)]
    return [replace(ranges[place], rows=min(cut, ranges[place].rows)) for place in places]


def _groups(
    plan: SplitPlan,
    ranges: Sequence[RangeSample],
    num_shards: int,
    rows_times: float,
    is_whole: bool,
) -> list[tuple[int, list[StagedPlace]]]:
    """Return the staged rows by shard; of a slice, shards of about the size that a build's have.

    The first run of rows is then a shard of its own: beside the larger ones, it shows what any shard costs.
    """
    places = [
        StagedPlace(sample.report.number, place)
        for sample in ranges
        for place in sample.report.places
    ]
    places.sort(key=lambda each: (each.place.shard, each.range))
    if not places:
        return []
    if is_whole:
        numbers = sorted({each.place.shard for each in places})
        return [(n, [each for each in places if each.place.shard == n]) for n in numbers]
    first, rest = places[0], places[1:]
    staged = sum(each.place.rows for each in rest)
    sampled = sum(each.rows for each in ranges)
    whole = plan.rows * rows_times * staged / max(1, sampled)
    number = max(1, round(staged / max(1.0, whole / num_shards)))
    larger = _parts(rest, number)
    parts = [[first], *(part for part in larger if part)]
    return [(number, _in_shard(number, part)) for number, part in enumerate(parts)]


class _Run(Place, frozen=True, order=True):
    """A place that can be sorted: a shard of a slice may have several runs of one range."""


def _in_shard(number: int, places: Iterable[StagedPlace]) -> list[StagedPlace]:
    return [
        StagedPlace(each.range, _Run(**structs.asdict(each.place) | {"shard": number}))
        for each in places
    ]


def _parts(places: Sequence[StagedPlace], number: int) -> list[list[StagedPlace]]:
    """Return the places in `number` neighbouring parts of about equal rows."""
    rows = sum(each.place.rows for each in places)
    parts: list[list[StagedPlace]] = [[] for _ in range(number)]
    done = 0
    for each in places:
        parts[min(number - 1, done * number // max(1, rows))].append(each)
        done += each.place.rows
    return parts
