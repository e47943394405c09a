"""A whole split, extrapolated from a slice of it: records, bytes, CPU seconds, memory, requests."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from pipelines.build.estimate.bounds import Bounds, Line, extrapolate
from pipelines.build.estimate.counted_files import Traffic
from pipelines.build.estimate.meter import Cost
from pipelines.build.estimate.slice import RangeSample, ShardSample, SplitSample

SHARD_TABLES = 2.6
"""Memory that writing a shard takes, in times of its rows, beside what any shard takes: the staged table, the sorted one and
half of a third. Measured on shards of 10,000 to 184,000 rows of nine sources."""


@dataclass(frozen=True)
class Work:
    """A part of a build that one worker does in one go: a range to stage, or a shard to write.

    `group` is the number of its split: a worker that takes the first part of it loads the split's `setup`.
    """

    group: int
    cpu_seconds: float
    waiting_seconds: float = 0
    requests: float = 0
    moved_bytes: float = 0


@dataclass(frozen=True)
class SplitEstimate:
    """The numbers of a split in a build.

    `sampled_rows` were really staged; where they are all, the split `is_exact`: its counts and bytes are
    those of a build. `rows`, `ranges` and `shards` follow from the plan alone, unless only a part of
    user's own data was read. `runs` are the runs of rows that one range has in one shard. Of the staged
    bytes, `state_bytes` are the states of media. Peaks are of the whole process, while it stages the largest
    range, and while it writes the largest shard.
    """

    source: str
    split: str
    rows: int
    sampled_rows: int
    ranges: int
    shards: int
    is_exact: bool
    records: Bounds
    rejected: Bounds
    filtered: Bounds
    output_bytes: Bounds
    staged_bytes: Bounds
    side_bytes: float
    state_bytes: float
    report_bytes: float
    digests: float
    runs: float
    stage_cpu: Bounds
    write_cpu: Bounds
    stage_waiting: float
    write_waiting: float
    decode_cpu_per_byte: float
    make_cpu_per_row: float
    shard_cpu: float
    stage_peak_bytes: float
    write_peak_bytes: float
    stage_traffic: Traffic
    write_traffic: Traffic
    setup: Cost
    range_work: tuple[Work, ...]
    shard_work: tuple[Work, ...]

    @property
    def name(self) -> str:
        return f"{self.source}/{self.split}"

    @property
    def cpu(self) -> Bounds:
        return self.stage_cpu + self.write_cpu


def estimate_split(group: int, sample: SplitSample) -> SplitEstimate:
    """Extrapolate one split, the one with number `group` of a build."""
    ranges = _Ranges(sample)
    records = ranges.by_rows(lambda each: each.report.staged)
    shards = _Shards(sample, records)
    decode, make = ranges.decode_cpu(), ranges.make_cpu()
    runs, staged = ranges.runs(), ranges.by_rows(_staged_bytes)
    return SplitEstimate(
        source=sample.plan.source,
        split=sample.plan.split,
        rows=ranges.rows,
        sampled_rows=sum(each.rows for each in sample.ranges),
        ranges=ranges.number,
        shards=shards.number,
        is_exact=sample.is_whole,
        records=shards.records(),
        rejected=ranges.by_rows(lambda e: sum(e.report.rejected.values())).plus(
            sum(sample.plan.rejected.values()) + shards.duplicates()
        ),
        filtered=ranges.by_rows(lambda each: sum(each.report.filtered.values())),
        output_bytes=shards.output_bytes(),
        staged_bytes=staged,
        side_bytes=shards.side_bytes(),
        state_bytes=ranges.by_rows(lambda each: each.report.files["media.json"]).value,
        report_bytes=ranges.report_bytes(),
        digests=shards.by_records(lambda each: each.report.groups).value,
        runs=runs,
        stage_cpu=decode + make,
        write_cpu=shards.cpu(),
        stage_waiting=ranges.by_rows(lambda each: each.stage.waiting_seconds).value,
        write_waiting=shards.waiting(),
        decode_cpu_per_byte=decode.value / max(1.0, ranges.window_bytes),
        make_cpu_per_row=make.value / max(1, ranges.rows),
        shard_cpu=shards.line(_shard_cpu).fixed,
        stage_peak_bytes=ranges.peak_bytes(),
        write_peak_bytes=shards.peak_bytes(),
        stage_traffic=ranges.traffic(staged.value),
        write_traffic=shards.traffic(runs, staged.value),
        setup=sample.setup,
        range_work=tuple(ranges.work(group)),
        shard_work=tuple(shards.work(group, runs, staged.value)),
    )


def _staged_bytes(each: RangeSample) -> int:
    return sum(each.report.files.values()) + each.report_bytes


def _make_cpu(each: RangeSample) -> float:
    return max(0.0, each.stage.cpu_seconds - each.decode.cpu_seconds)


def _shard_cpu(each: ShardSample) -> float:
    return each.count.cpu_seconds + each.write.cpu_seconds


class _Ranges:
    """The staged ranges of a split. Decoding costs by the byte, making records by the row."""

    def __init__(self, sample: SplitSample) -> None:
        self.sample, self.samples = sample, sample.ranges
        windows = [each.window.end - each.window.start for each in sample.plan.ranges]
        self.window_bytes = sum(windows) * sample.rows_times
        self.rows = round(sample.plan.rows * sample.rows_times)
        self.number = max(1, round(len(windows) * sample.rows_times))

    def by_rows(self, value: Callable[[RangeSample], float]) -> Bounds:
        return extrapolate([*map(value, self.samples)], [e.rows for e in self.samples], self.rows)

    def decode_cpu(self) -> Bounds:
        sizes = [each.window_bytes for each in self.samples]
        return extrapolate([e.decode.cpu_seconds for e in self.samples], sizes, self.window_bytes)

    def make_cpu(self) -> Bounds:
        return self.by_rows(_make_cpu)

    def _mean(self, value: Callable[[RangeSample], float]) -> float:
        return sum(map(value, self.samples)) / len(self.samples)

    def runs(self) -> float:
        """Return the runs of rows: as many a range as measured, where the slice has as many shards."""
        runs = self._mean(lambda each: len(each.report.places)) * self.number
        return runs * self.sample.num_shards / self.sample.staged_plan.num_shards

    def report_bytes(self) -> float:
        """Return the bytes of all reports, most of which are places of runs."""
        runs = sum(len(each.report.places) for each in self.samples)
        return sum(each.report_bytes for each in self.samples) * self.runs() / max(1, runs)

    def peak_bytes(self) -> float:
        """Return the peak memory while the largest range is staged.

        Its window is read and decoded whole, however few rows of it were staged; the rest grows with the rows. The
        median stands for all ranges, since the first ones of a process bring memory that stays.
        """
        largest = max(each.rows for each in self.sample.plan.ranges)
        grown = [max(0, e.stage.rise_bytes - e.decode.rise_bytes) / e.rows for e in self.samples]
        window = max(each.decode.rise_bytes for each in self.samples)
        base = max(each.stage.base_bytes for each in self.samples)
        measured = max(each.stage.base_bytes + each.stage.rise_bytes for each in self.samples)
        return max(measured, base + window + median(grown) * largest)

    def traffic(self, staged_bytes: float) -> Traffic:
        """Return the traffic of staging all ranges: part of it by the range, that of images by the row."""
        reading = Traffic()
        of_rows = Traffic()
        staging = Traffic()
        for each in self.samples:
            reading += each.decode.data
            of_rows += each.stage.data - each.decode.data
            staging += each.stage.staging
        rows = sum(each.rows for each in self.samples)
        by_range = (reading + staging).times(self.number / len(self.samples))
        both = by_range + of_rows.times(self.rows / max(1, rows))
        images = both.written_bytes - by_range.written_bytes
        return Traffic(
            both.looks, both.reads, both.writes, both.lists, both.read_bytes, staged_bytes + images
        )

    def work(self, group: int) -> list[Work]:
        """Return the ranges as parts of the work."""
        byte, row = self.decode_cpu().value / self.window_bytes, self.make_cpu().value / self.rows
        waiting = self.by_rows(lambda each: each.stage.waiting_seconds).value / self.rows
        traffic = self.traffic(self.by_rows(_staged_bytes).value)
        planned = [(e.window.end - e.window.start, e.rows) for e in self.sample.plan.ranges]
        if self.sample.rows_times != 1:
            planned = [(int(self.window_bytes / self.number), round(self.rows / self.number))]
            planned *= self.number
        return [
            Work(
                group,
                byte * num_bytes + row * rows,
                waiting * rows,
                traffic.requests * rows / self.rows,
                traffic.moved_bytes * rows / self.rows,
            )
            for num_bytes, rows in planned
        ]


class _Shards:
    """The written shards of a split. One shard of few rows and larger ones show what any shard costs."""

    def __init__(self, sample: SplitSample, staged: Bounds) -> None:
        self.sample, self.samples, self.staged = sample, sample.shards, staged
        self.number = len(self.samples) if sample.is_whole else sample.num_shards
        if not self.samples:
            self.number = 0

    def records(self) -> Bounds:
        """Return the records: rows of the shards, without those of a repeated id."""
        if self.sample.is_whole:
            return Bounds.exact(self.sample.records)
        rows = sum(each.report.rows for each in self.samples)
        return self.staged.times(rows / max(1, rows + self._duplicates()))

    def _duplicates(self) -> int:
        return sum(each.report.duplicates for each in self.samples)

    def duplicates(self) -> float:
        return max(0.0, self.staged.value - self.records().value)

    def line(self, value: Callable[[ShardSample], float]) -> Line:
        """Return a cost of shards by their records."""
        if not self.samples:
            return Line(0, 0)
        small, *rest = self.samples
        large = rest or [small]
        rows = sum(each.report.rows for each in large) / len(large)
        mean = sum(map(value, large)) / len(large)
        return Line.through((small.report.rows, value(small)), (rows, mean))

    def by_records(self, value: Callable[[ShardSample], float]) -> Bounds:
        """Return the sum over all shards."""
        if self.sample.is_whole:
            return Bounds.exact(sum(map(value, self.samples)))
        records, line = self.records(), self.line(value)
        fixed = line.at(0, self.number)
        return records.times(line.slope).plus(fixed)

    def cpu(self) -> Bounds:
        return self.by_records(_shard_cpu)

    def waiting(self) -> float:
        """Return the seconds of waiting: files are synced to the disk, each for itself."""
        seconds = sum(e.count.waiting_seconds + e.write.waiting_seconds for e in self.samples)
        return seconds * self.number / max(1, len(self.samples))

    def output_bytes(self) -> Bounds:
        return self.by_records(lambda each: each.report.num_bytes)

    def side_bytes(self) -> float:
        """Return the bytes of the files beside the shards in the staging folder."""
        return self.by_records(
            lambda each: max(0.0, each.write.staging.written_bytes - each.report.num_bytes)
        ).value

    def peak_bytes(self) -> float:
        """Return the peak memory while a shard of the build's size is written.

        A shard that is larger than the measured ones takes `SHARD_TABLES` times the bytes of its further rows more.
        """
        if not self.samples:
            return 0
        largest = max(self.samples, key=lambda each: each.report.rows)
        more = max(0.0, self.records().value / self.number - largest.report.rows)
        return max(
            largest.write.base_bytes
            + largest.write.rise_bytes
            + SHARD_TABLES * largest.row_bytes * more,
            *(each.write.base_bytes + each.write.rise_bytes for each in self.samples),
        )

    def traffic(self, runs: float, staged_bytes: float) -> Traffic:
        """Return the traffic of counting and writing: runs are read one by one, images by the record."""
        reading, images, writes = Traffic(), Traffic(), 0.0
        for each in self.samples:
            reading += each.count.staging + each.write.staging
            images += each.write.data
            writes += each.write.staging.writes
        if not self.samples:
            return Traffic()
        places = sum(each.places for each in self.samples)
        rows = sum(each.report.rows for each in self.samples)
        by_run = reading.times(runs / places)
        by_record = images.times(self.records().value / max(1, rows))
        return Traffic(
            looks=by_run.looks + by_record.looks,
            reads=by_run.reads + by_record.reads,
            writes=writes * self.number / len(self.samples),
            lists=0,
            read_bytes=staged_bytes + by_record.read_bytes,
            written_bytes=self.output_bytes().value + self.side_bytes(),
        )

    def work(self, group: int, runs: float, staged_bytes: float) -> list[Work]:
        """Return the shards as parts of the work: keys divide rows equally, so that all are alike."""
        if not self.samples:
            return []
        traffic, number = self.traffic(runs, staged_bytes), self.number
        one = Work(
            group,
            self.cpu().value / number,
            self.waiting() / number,
            traffic.requests / number,
            traffic.moved_bytes / number,
        )
        return [one] * number
