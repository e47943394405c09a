import pytest

from pipelines.build.estimate.bounds import Bounds, Line, extrapolate, highest, total


def test_parts_in_proportion_to_their_size_give_the_whole_exactly():
    found = extrapolate([10, 20, 30], [1, 2, 3], 600)
    assert (found.value, found.low, found.high) == (6_000, 6_000, 6_000)


def test_parts_that_differ_widen_the_bounds_and_more_of_them_narrow_them():
    few = extrapolate([8, 12], [10, 10], 1_000)
    many = extrapolate([8, 12] * 20, [10] * 40, 1_000)
    assert few.value == many.value == 1_000
    assert few.low < many.low < 1_000 < many.high < few.high


def test_of_one_part_the_spread_is_unknown():
    assert extrapolate([10], [10], 1_000).high == pytest.approx(1_000 * (1 + 0.25 * 0.99))


def test_nothing_is_uncertain_once_all_was_measured():
    assert extrapolate([8, 12], [10, 10], 20) == Bounds.exact(20)
    assert extrapolate([], [], 10) == Bounds.exact(0)


def test_the_bounds_contain_the_truth_for_most_slices_of_uneven_parts():
    values = [5 + (n * 7919) % 11 for n in range(500)]
    inside = 0
    for start in range(50):
        some = values[start::50]
        found = extrapolate(some, [1] * len(some), len(values))
        inside += found.low <= sum(values) <= found.high
    assert inside >= 45


def test_errors_of_a_sum_add_up_in_squares():
    found = total([Bounds(10, 7, 13), Bounds(10, 6, 14)])
    assert (found.value, found.low, found.high) == (20, 15, 25)
    assert Bounds(1, 1, 2) + Bounds(1, 0, 1) == Bounds(2, 1, 3)


def test_the_highest_is_taken_bound_by_bound():
    assert highest([Bounds(5, 1, 6), Bounds(4, 3, 9)]) == Bounds(5, 3, 9)


def test_a_line_tells_what_any_part_costs_from_what_grows():
    line = Line.through((10, 2 + 10 * 3), (100, 2 + 100 * 3))
    assert (line.fixed, line.slope) == pytest.approx((2, 3))
    assert line.at(1_000, parts=4) == pytest.approx(4 * 2 + 3_000)


@pytest.mark.parametrize("points", [((10, 50), (100, 40)), ((100, 5), (100, 40)), ((0, 0), (8, 0))])
def test_neither_part_of_a_line_is_negative(points):
    line = Line.through(*points)
    assert line.fixed >= 0
    assert line.slope >= 0
