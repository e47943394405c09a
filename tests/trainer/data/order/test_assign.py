from dataclasses import FrozenInstanceError
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.order.assign import BatchShape, assign

shapes = st.builds(
    BatchShape,
    world_size=st.integers(1, 5),
    micro_batch=st.integers(1, 4),
    accumulation=st.integers(1, 3),
)


@given(shapes, st.randoms())
def test_each_sample_is_taken_once_and_every_micro_batch_is_full(shape, random) -> None:
    lengths = [random.randint(1, 9) for _ in range(shape.num_samples)]
    for given_lengths in (None, lengths):
        ranks = assign(given_lengths, shape)
        assert len(ranks) == shape.world_size
        assert all(len(rank) == shape.accumulation for rank in ranks)
        assert all(len(micro) == shape.micro_batch for rank in ranks for micro in rank)
        taken = [offset for rank in ranks for micro in rank for offset in micro]
        assert sorted(taken) == list(range(shape.num_samples))


def test_without_lengths_samples_go_out_in_their_order() -> None:
    shape = BatchShape(world_size=2, micro_batch=2, accumulation=2)
    assert assign(None, shape) == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]


@given(shapes, st.randoms())
def test_with_lengths_no_micro_step_has_a_shorter_sample_than_one_before_it(shape, random) -> None:
    lengths = [random.randint(1, 50) for _ in range(shape.num_samples)]
    steps = [
        [lengths[offset] for rank in assign(lengths, shape) for offset in rank[number]]
        for number in range(shape.accumulation)
    ]
    assert all(max(a) <= min(b) for a, b in pairwise(steps))


def test_ranks_take_turns_from_both_ends_of_a_micro_step() -> None:
    shape = BatchShape(world_size=2, micro_batch=2)
    assert assign([10, 40, 20, 30], shape) == [[[0, 1]], [[2, 3]]]


def test_equal_lengths_are_dealt_the_same_way_every_time() -> None:
    shape = BatchShape(world_size=2, micro_batch=1, accumulation=2)
    assert assign([5, 5, 5, 5], shape) == [[[0], [2]], [[1], [3]]]


def test_the_order_of_ranks_turns_after_every_sample_each() -> None:
    shape = BatchShape(world_size=2, micro_batch=4)
    assert assign(list(range(8)), shape) == [[[0, 3, 4, 7]], [[1, 2, 5, 6]]]


def test_the_sizes_of_a_shape_are_named_and_stay() -> None:
    with pytest.raises(TypeError):
        BatchShape(2, 1)  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        BatchShape(world_size=2, micro_batch=1).micro_batch = 2  # type: ignore[misc]
