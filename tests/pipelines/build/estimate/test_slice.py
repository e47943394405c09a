from dataclasses import replace

import pytest

from datagen.build.plan import RangePlan, SplitPlan
from datagen.raw.json_index import Window
from pipelines.build.estimate.slice import MIN_RANGES, choose_ranges


@pytest.fixture
def plan() -> SplitPlan:
    """100 ranges of 1,000 rows each."""
    ranges = tuple(
        RangePlan(n, Window(n * 5_000, (n + 1) * 5_000, 1_000), n * 1_000, 1_000)
        for n in range(100)
    )
    return SplitPlan("vqav2", "train", "official", "file", "array", ranges, {}, {}, 4, {})


def test_a_small_split_is_built_whole(plan):
    assert choose_ranges(plan, 100_000) == list(plan.ranges)
    few = replace(plan, ranges=plan.ranges[:1])
    assert choose_ranges(few, 5_000) == list(few.ranges)


def test_a_slice_comes_from_places_all_over_the_split(plan):
    chosen = choose_ranges(plan, 10_000)
    assert [each.number for each in chosen] == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95]
    assert {each.rows for each in chosen} == {1_000}


def test_ranges_are_cut_rather_than_fewer_than_show_a_spread(plan):
    chosen = choose_ranges(plan, 30)
    assert len(chosen) == MIN_RANGES
    assert [each.rows for each in chosen] == [10, 10, 10]
    assert [each.window for each in chosen] == [plan.ranges[n].window for n in (16, 50, 83)]
