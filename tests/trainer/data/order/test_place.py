from collections import Counter, defaultdict
from dataclasses import FrozenInstanceError
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.order.place import Order, SourceRows

blocks = st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(lambda sizes: sum(sizes) > 0)


def _order(seed: int = 0, **changes: object) -> Order:
    sources = {
        "large": SourceRows(0.6, np.array([40, 40, 7])),
        "small": SourceRows(0.3, np.array([5, 0, 5])),
        "cut": SourceRows(0.1, np.array([6, 6]), reserved=4),
    }
    return Order(sources, seed, **changes)  # type: ignore[arg-type]


@given(blocks, st.integers(0, 3), st.integers(0, 5))
def test_each_row_comes_once_a_pass(sizes: list[int], reserved: int, seed: int) -> None:
    reserved = min(reserved, sum(sizes) - 1)
    order = Order({"one": SourceRows(1.0, np.array(sizes), reserved)}, seed)
    rows = sum(sizes) - reserved
    for epoch in range(3):
        places = [order.place(epoch * rows + index) for index in range(rows)]
        assert sorted(place.row for place in places) == list(range(rows))
        assert {place.epoch for place in places} == {epoch}


def test_a_mixture_counts_the_passes_of_each_source_by_itself() -> None:
    seen: dict[tuple[str, int], list[int]] = defaultdict(list)
    order = _order()
    for k in range(1_000):
        place = order.place(k)
        seen[place.source, place.epoch].append(place.row)
    assert all(sorted(seen["small", number]) == list(range(10)) for number in range(29))
    assert all(sorted(seen["cut", number]) == list(range(8)) for number in range(12))
    assert sum(map(len, seen.values())) == 1_000


def test_rows_of_a_block_come_together_in_another_order_in_every_pass() -> None:
    order = Order({"one": SourceRows(1.0, np.array([10, 10, 10]))}, seed=0)
    passes = [[order.place(30 * number + k).row for k in range(30)] for number in range(4)]
    for rows in passes:
        visited = [row // 10 for row in rows]
        assert all(len(set(visited[start : start + 10])) == 1 for start in (0, 10, 20))
    assert len({tuple(rows) for rows in passes}) == 4
    assert len({tuple(row // 10 for row in rows) for rows in passes}) > 1


def test_another_seed_gives_another_order_of_the_same_sources() -> None:
    first, second = ([_order(seed).place(k) for k in range(200)] for seed in (1, 2))
    assert [place.source for place in first] == [place.source for place in second]
    assert [place.row for place in first] != [place.row for place in second]


def test_a_sample_is_the_same_whatever_was_asked_for_before() -> None:
    order = _order()
    forward = [order.place(k) for k in range(500)]
    fresh = _order()
    assert [fresh.place(k) for k in reversed(range(500))] == forward[::-1]
    assert _order().place(123) == forward[123]


def test_the_ten_millionth_sample_is_found_at_once() -> None:
    order = Order({name: SourceRows(0.25, np.full(50_000, 80)) for name in "abcd"}, seed=0)
    start = perf_counter()
    place = order.place(10**7)
    print(f"sought in {perf_counter() - start:.4f} s")
    assert place.position == order.counts(10**7)[place.source]


def test_draws_follow_the_passes_unless_texts_are_stored() -> None:
    assert _order().place(900).draw == _order().place(900).epoch > 0
    assert _order(render="stored").place(900).draw == 0


def test_a_substitute_is_another_row_of_the_same_source_and_moves_no_other_sample() -> None:
    order = _order()
    place, first, second = (order.place(50, attempt) for attempt in range(3))
    assert first.source == second.source == place.source
    assert len({place.row, first.row, second.row}) == 3
    assert (first.k, first.epoch, first.attempt) == (50, place.epoch, 1)
    assert order.place(50, 1) == _order().place(50, 1)
    assert order.place(51) == _order().place(51)


def test_substitutes_are_spread_over_the_source() -> None:
    order = Order({"one": SourceRows(1.0, np.array([4]))}, seed=0)
    rows = Counter(order.place(0, attempt).row for attempt in range(1, 901))
    assert set(rows) == {0, 1, 2, 3} - {order.place(0).row}
    assert min(rows.values()) > 250


def test_a_source_without_rows_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        SourceRows(1.0, np.array([3]), reserved=3)


def test_augmentation_has_a_chance_of_its_own_in_every_sample() -> None:
    order = _order()
    assert len({order.place(k).chance for k in range(300)}) == 300
    assert order.place(3).chance != _order(seed=1).place(3).chance


def test_another_row_stands_in_where_there_is_one() -> None:
    alone = Order({"one": SourceRows(1.0, np.array([1]))}, seed=0)
    assert [alone.place(0, attempt).row for attempt in range(3)] == [0, 0, 0]
    two = Order({"two": SourceRows(1.0, np.array([2]))}, seed=0)
    row = two.place(0).row
    assert [two.place(0, attempt).row for attempt in (1, 2, 3)] == [1 - row] * 3


def test_blocks_that_are_reserved_in_full_do_not_change_the_order() -> None:
    cut = Order({"one": SourceRows(1.0, np.array([5, 4, 3, 2]), reserved=6)}, seed=0)
    short = Order({"one": SourceRows(1.0, np.array([5, 3]))}, seed=0)
    assert [cut.place(k) for k in range(80)] == [short.place(k) for k in range(80)]


def test_an_order_hands_on_its_tree_and_its_drift() -> None:
    order = _order()
    again = _order(tree=order.tree)
    assert [again.place(k) for k in range(50)] == [order.place(k) for k in range(50)]
    assert order.tree == again.tree is not None
    assert order.drift().prefix == 100_000
    assert order.drift(2_000).observed <= order.drift().observed <= order.drift().bound


def test_the_rows_of_a_source_stay() -> None:
    with pytest.raises(FrozenInstanceError):
        SourceRows(1.0, np.array([1])).reserved = 1  # type: ignore[misc]
