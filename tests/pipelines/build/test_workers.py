"""The number of processes of a build."""

import pytest

from datagen.errors import OptionError
from pipelines.build import workers
from pipelines.build.beam_options import beam_options
from pipelines.build.workers import set_workers, workers_that_pay_off

GIGABYTE = 1 << 30


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine of eight processors and 10 GB."""
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(workers, "_memory_bytes", lambda: 10 * GIGABYTE)


@pytest.mark.parametrize(
    ("rows", "max_memory", "expected"),
    [
        (0, GIGABYTE, 1),
        (50_000, GIGABYTE, 1),
        (1_999_999, GIGABYTE, 1),
        (2_000_000, GIGABYTE, 2),
        (5_500_000, GIGABYTE, 5),
        (100_000_000, GIGABYTE, 8),
        (100_000_000, 4 * GIGABYTE, 2),
        (100_000_000, 40 * GIGABYTE, 1),
    ],
)
def test_processes_follow_from_rows_processors_and_memory(rows, max_memory, expected):
    assert workers_that_pay_off(rows, max_memory) == expected


@pytest.mark.parametrize(("wanted", "rows", "number"), [(None, 10, 1), (3, 10, 3), (1, 10**9, 1)])
def test_beams_options_are_set(wanted, rows, number):
    options = beam_options([], [])
    assert set_workers(options, wanted, rows, GIGABYTE) == number
    known = options.get_all_options()
    assert known["direct_num_workers"] == number
    assert known["direct_running_mode"] == ("in_memory" if number == 1 else "multi_processing")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--direct_num_workers=2", "--direct_running_mode=multi_processing"],
        ["--direct_running_mode=multi_threading"],
        ["--runner=BundleBasedDirectRunner"],
    ],
)
def test_other_engines_and_beams_own_options_decide_for_themselves(arguments):
    options = beam_options(arguments, [])
    before = dict(options.get_all_options())
    assert set_workers(options, None, 10**9, GIGABYTE) == 1
    assert options.get_all_options() == before
    with pytest.raises(OptionError, match=r"--workers 2 is for builds on this machine"):
        set_workers(options, 2, 10**9, GIGABYTE)


def test_other_work_pays_off_sooner():
    assert workers_that_pay_off(10_000, GIGABYTE, rows_per_worker=2_000) == 5
