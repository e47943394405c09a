import pytest

from pipelines.build.estimate.extrapolate import Work
from pipelines.build.estimate.simulate import (
    BANDWIDTH,
    DISPATCH,
    LONGEST,
    REQUESTS,
    START,
    WORKERS,
    Cluster,
    run_phase,
    schedule,
    spent_on,
)


def work(*seconds: float, **others: float) -> list[Work]:
    return [Work(0, each, **others) for each in seconds]


def test_each_worker_takes_the_next_part_when_it_is_free():
    # Graham, Bounds on Multiprocessing Timing Anomalies, 1969: the worst case of two workers is 4/3 of the best.
    assert schedule([1, 1, 2], Cluster(2)) == (3, 4)
    assert schedule([2, 1, 1], Cluster(2)) == (2, 4)


def test_a_static_share_does_not_move_to_a_worker_that_is_free():
    assert schedule([3, 1, 3, 1], Cluster(2, is_static=True)) == (6, 8)
    assert schedule([3, 1, 3, 1], Cluster(2)) == (4, 8)


def test_one_worker_takes_the_sum_and_many_the_longest():
    parts = [4, 1, 3, 2]
    assert schedule(parts, Cluster(1))[0] == 10
    assert schedule(parts, Cluster(99))[0] == 4


def test_parts_wait_until_they_are_handed_out():
    end, worked = schedule([1] * 10, Cluster(10, dispatch_seconds=2))
    assert (end, worked) == (21, 10)


def test_a_worker_starts_once_and_loads_each_split_once():
    seconds, worked = schedule(
        [1, 1, 1, 1], Cluster(1, start_seconds=10), setup=[5, 7], groups=[0, 1, 0, 1]
    )
    assert (seconds, worked) == (26, 26)


def test_no_parts_take_no_time():
    assert schedule([], Cluster(5)) == (0, 0)
    assert run_phase([], Cluster(5)).seconds == 0


def test_a_part_computes_waits_for_its_requests_and_moves_its_bytes():
    part = Work(0, cpu_seconds=1, waiting_seconds=2, requests=30, moved_bytes=400)
    cluster = Cluster(1, store_latency_seconds=0.1, bytes_per_second=100)
    assert run_phase([part], cluster).seconds == pytest.approx(1 + 2 + 3 + 4)
    assert run_phase([part], Cluster(4, cpu_times=2)).seconds == pytest.approx(4)


@pytest.mark.parametrize(
    ("parts", "cluster", "limit"),
    [
        (work(*[1] * 100), Cluster(4), WORKERS),
        (work(9, 1, 1), Cluster(8), LONGEST),
        (work(*[0.001] * 1_000), Cluster(100, dispatch_seconds=0.01), DISPATCH),
        (work(0.1), Cluster(9, start_seconds=5), START),
        (
            work(*[0.01] * 50, requests=100),
            Cluster(50, store_latency_seconds=0.001, store_requests_per_second=10),
            REQUESTS,
        ),
        (
            work(*[0.01] * 50, moved_bytes=1e6),
            Cluster(50, store_latency_seconds=0.001, store_bytes_per_second=1e6),
            BANDWIDTH,
        ),
    ],
)
def test_what_holds_a_phase_up_is_named(parts, cluster, limit):
    run = run_phase(parts, cluster)
    assert run.limit == limit
    assert run.seconds >= max(run.bounds.values())


def test_more_workers_never_take_longer_when_parts_are_equal():
    parts = work(*[1.0] * 96)
    seconds = [run_phase(parts, Cluster(n)).seconds for n in (1, 2, 4, 8, 96, 200)]
    assert seconds == [96, 48, 24, 12, 1, 1]


@pytest.mark.parametrize(
    ("part", "what"),
    [
        (Work(0, 9, 1, 10, 10), "computing"),
        (Work(0, 1, 9, 10, 10), "waiting for disks"),
        (Work(0, 1, 1, 90, 10), "requests, one after the other"),
        (Work(0, 1, 1, 10, 90), "moving bytes"),
    ],
)
def test_what_a_worker_is_mostly_at_is_named(part, what):
    cluster = Cluster(1, store_latency_seconds=0.1, bytes_per_second=10)
    assert spent_on(part, cluster) == what
    assert run_phase([part, Work(0, 0.5)], cluster).longest == part
