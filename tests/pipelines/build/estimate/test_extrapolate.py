"""Extrapolation from made-up slices, of which the whole is known."""

import pytest

from datagen.build.plan import RangePlan, SplitPlan
from datagen.build.staging import Place, RangeReport, ShardReport
from datagen.raw.json_index import Window
from pipelines.build.estimate.counted_files import Traffic
from pipelines.build.estimate.extrapolate import SHARD_TABLES, estimate_split
from pipelines.build.estimate.meter import Cost
from pipelines.build.estimate.slice import RangeSample, ShardSample, SplitSample

ROWS, BYTES, SHARDS = 1_000, 50_000, 5
DECODE, MAKE = 1e-9, 2e-5  # CPU seconds a byte and a row
SHARD, RECORD = 0.01, 3e-6  # CPU seconds a shard and a record


def planned(num_ranges: int, rows: int = ROWS) -> SplitPlan:
    ranges = tuple(
        RangePlan(n, Window(n * BYTES, (n + 1) * BYTES, rows), n * rows, rows)
        for n in range(num_ranges)
    )
    return SplitPlan(
        "vqav2", "train", "official", "f", "array", ranges, {}, {}, SHARDS, {"no_annotation": 7}
    )


def range_sample(number: int, rows: int) -> RangeSample:
    records = rows * 9 // 10
    return RangeSample(
        window_bytes=BYTES,
        planned_rows=ROWS,
        rows=rows,
        report=RangeReport(
            source="vqav2",
            split="train",
            number=number,
            read=rows,
            staged=records,
            rejected={"empty_text": rows - records},
            filtered={},
            reencoded=0,
            files={"blocks": 100 * records, "media.json": 20 * records},
            places=[Place(s, 0, 1, 0, records // SHARDS) for s in range(SHARDS)],
        ),
        report_bytes=400,
        decode=Cost(cpu_seconds=DECODE * BYTES, data=Traffic(looks=1, reads=1, read_bytes=BYTES)),
        stage=Cost(
            cpu_seconds=DECODE * BYTES + MAKE * rows,
            base_bytes=200e6,
            rise_bytes=10e3 * rows,
            staging=Traffic(writes=5),
            data=Traffic(looks=1 + rows, reads=1, read_bytes=BYTES),
        ),
    )


def shard_sample(number: int, records: int, places: int) -> ShardSample:
    return ShardSample(
        places=places,
        row_bytes=500,
        report=ShardReport(
            source="vqav2",
            split="train",
            shard=number,
            rows=records,
            num_bytes=5_000 + 40 * records,
            sha256="",
            duplicates=0,
            groups=records // 3,
        ),
        count=Cost(staging=Traffic(looks=places, reads=places)),
        write=Cost(
            cpu_seconds=SHARD + RECORD * records,
            base_bytes=200e6,
            rise_bytes=5e6 + 2_000 * records,
            staging=Traffic(reads=places, writes=4, written_bytes=5_000 + 40 * records),
        ),
    )


def sampled(num_ranges: int, rows: int, times: float = 1) -> SplitSample:
    """10 ranges, each cut to `rows`, of a split of `num_ranges`."""
    records = 10 * rows * 9 // 10
    plan = planned(num_ranges)
    return SplitSample(
        plan=plan,
        rows_times=times,
        num_shards=round(SHARDS * times),
        staged_plan=plan,
        setup=Cost(cpu_seconds=0.2),
        ranges=tuple(range_sample(n, rows) for n in range(10)),
        shards=(shard_sample(0, 30, 1), shard_sample(1, records - 30, 10 * SHARDS - 1)),
    )


def test_costs_by_the_byte_and_by_the_row_are_told_apart():
    found = estimate_split(0, sampled(200, rows=300))
    assert found.rows == 200 * ROWS
    assert found.sampled_rows == 3_000
    assert found.decode_cpu_per_byte == pytest.approx(DECODE)
    assert found.make_cpu_per_row == pytest.approx(MAKE)
    assert found.stage_cpu.value == pytest.approx(200 * (DECODE * BYTES + MAKE * ROWS))


def test_a_cost_of_any_shard_is_not_taken_for_one_of_records():
    found = estimate_split(0, sampled(200, rows=300))
    assert found.shard_cpu == pytest.approx(SHARD)
    assert found.write_cpu.value == pytest.approx(SHARDS * SHARD + RECORD * 180_000)
    assert found.output_bytes.value == pytest.approx(SHARDS * 5_000 + 40 * 180_000)


def test_counts_follow_from_those_of_the_slice():
    found = estimate_split(0, sampled(200, rows=300))
    assert (found.ranges, found.shards, found.is_exact) == (200, SHARDS, False)
    assert found.records.value == pytest.approx(180_000)
    assert found.rejected.value == pytest.approx(20_000 + 7)
    assert found.staged_bytes.value == pytest.approx(
        120 * 180_000 + 400 * 200 * ROWS / 300, rel=0.01
    )
    assert found.runs == 200 * SHARDS


def test_memory_is_that_of_a_whole_range_and_of_a_whole_shard():
    found = estimate_split(0, sampled(200, rows=250))
    assert found.stage_peak_bytes == pytest.approx(200e6 + 10e3 * ROWS)
    measured, more = 2_250 - 30, 180_000 / SHARDS - (2_250 - 30)
    assert found.write_peak_bytes == pytest.approx(
        200e6 + 5e6 + 2_000 * measured + SHARD_TABLES * 500 * more
    )


def test_requests_are_those_of_ranges_of_rows_and_of_runs():
    found = estimate_split(0, sampled(200, rows=250))
    assert found.stage_traffic.writes == 5 * 200
    assert found.stage_traffic.looks == pytest.approx(200 + 200 * ROWS)
    assert found.stage_traffic.read_bytes == pytest.approx(200 * BYTES)
    assert found.write_traffic.reads == pytest.approx(2 * 200 * SHARDS)
    assert found.write_traffic.writes == 4 * SHARDS


def test_the_parts_of_the_work_add_up_to_the_split():
    found = estimate_split(3, sampled(200, rows=250))
    assert len(found.range_work) == 200
    assert len(found.shard_work) == SHARDS
    assert {part.group for part in (*found.range_work, *found.shard_work)} == {3}
    for parts, cpu, traffic in (
        (found.range_work, found.stage_cpu, found.stage_traffic),
        (found.shard_work, found.write_cpu, found.write_traffic),
    ):
        assert sum(part.cpu_seconds for part in parts) == pytest.approx(cpu.value)
        assert sum(part.requests for part in parts) == pytest.approx(traffic.requests)
        assert sum(part.moved_bytes for part in parts) == pytest.approx(traffic.moved_bytes)


def test_a_split_that_was_built_whole_is_exact():
    found = estimate_split(0, sampled(10, rows=ROWS))
    assert found.is_exact
    assert found.shards == 2  # those that were written
    assert found.records.low == found.records.high == 9_000
    assert found.output_bytes.value == 2 * 5_000 + 40 * 9_000


def test_a_slice_of_own_data_stands_for_as_many_times_its_rows():
    found = estimate_split(0, sampled(10, rows=ROWS, times=30))
    assert not found.is_exact
    assert (found.rows, found.ranges, found.shards) == (30 * 10 * ROWS, 300, 30 * SHARDS)
    assert found.records.value == pytest.approx(270_000)
    assert len(found.range_work) == 300
