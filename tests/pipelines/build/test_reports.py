"""The reports of parts: all are there, or the engine stopped too early."""

import msgspec
import pytest

from datagen.build.plan import BuildPlan, RangePlan, SplitPlan
from datagen.build.staging import Place, RangeReport, ShardReport, Staging
from datagen.files import LocalFiles
from datagen.raw.json_index import Window
from pipelines.build import reports
from pipelines.build.reports import read_reports
from pipelines.build.watch import EngineError


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """The waits for a disk, which end at once."""
    waits = []
    monkeypatch.setattr(reports.time, "sleep", waits.append)
    return waits


@pytest.fixture
def plan():
    """One split of two ranges and two shards, of which the second is empty."""
    window = Window(0, 1, 1)
    ranges = tuple(RangePlan(number, window, 0, 1) for number in range(2))
    return BuildPlan((SplitPlan("vqav2", "val", "", "", "array", ranges, {}, {}, 2, {}),), ())


@pytest.fixture
def staging(tmp_path):
    return Staging(str(tmp_path))


def write_range(staging, number):
    report = RangeReport(
        source="vqav2",
        split="val",
        number=number,
        read=1,
        staged=1,
        rejected={},
        filtered={},
        reencoded=0,
        files={},
        places=[Place(0, 0, 1, 0, 1)],
    )
    with LocalFiles().create(staging.range("vqav2", "val", number, "report.json")) as file:
        file.write(msgspec.json.encode(report))


def write_shard(staging):
    report = ShardReport(
        source="vqav2",
        split="val",
        shard=0,
        rows=2,
        num_bytes=1,
        sha256="",
        duplicates=0,
        groups=1,
    )
    with LocalFiles().create(staging.shard("vqav2", "val", 0, "report.json")) as file:
        file.write(msgspec.json.encode(report))


def test_empty_shards_need_no_report(plan, staging, waits):
    write_range(staging, 0)
    write_range(staging, 1)
    write_shard(staging)
    (work,) = read_reports(plan, staging, LocalFiles())
    assert (work.read, work.written) == (2, 2)
    assert waits == []


def test_an_engine_that_stopped_too_early_is_refused_with_the_count(plan, staging, waits):
    write_range(staging, 0)
    with pytest.raises(
        EngineError, match="the engine stopped after 1 of 4 parts, without an error"
    ):
        read_reports(plan, staging, LocalFiles())
    write_range(staging, 1)
    with pytest.raises(EngineError, match=r"after 2 of 3 parts, .* start the same command again"):
        read_reports(plan, staging, LocalFiles())
    assert waits == 2 * list(reports.DELAYS_SECONDS)


def test_a_report_that_another_host_wrote_may_appear_late(plan, staging, waits):
    class Late(LocalFiles):
        """A network file system that knows a file only once its folder was listed twice."""

        listed = 0

        def match(self, pattern):
            self.listed += 1
            return super().match(pattern)

        def open_binary(self, path):
            if self.listed < 4 and "shards" in path:
                raise FileNotFoundError(path)
            return super().open_binary(path)

    write_range(staging, 0)
    write_range(staging, 1)
    write_shard(staging)
    (work,) = read_reports(plan, staging, Late())
    assert work.written == 2
    assert waits == [0.5, 1.0]
