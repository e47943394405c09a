from hypothesis import given
from hypothesis import strategies as st

from trainer.data.order.permutation import fractions, keyed, shuffled


@given(st.integers(0, 300), st.integers(0, 2**64 - 1))
def test_every_number_comes_once(size: int, key: int) -> None:
    assert sorted(shuffled(size, key)) == list(range(size))


def test_orders_are_the_same_on_every_machine() -> None:
    assert shuffled(6, keyed("a", 1)).tolist() == [3, 5, 1, 2, 4, 0]


def test_each_number_is_at_each_place_equally_often() -> None:
    first = [int(shuffled(4, keyed(seed))[0]) for seed in range(4_000)]
    assert all(900 < first.count(number) < 1_100 for number in range(4))


def test_keys_tell_their_parts_apart() -> None:
    assert len({keyed("a", 1), keyed("a", 2), keyed("b", 1), keyed("a", "1", ""), keyed(1, 1)}) == 5


def test_fractions_are_spread_over_the_unit_interval() -> None:
    values = fractions(7, 1_000)
    assert 0 <= min(values) < 0.01 and 0.99 < max(values) < 1
    assert 0.47 < sum(values) / 1_000 < 0.53


def test_fractions_are_the_same_on_every_machine() -> None:
    assert fractions(7, 2) == [0.0729703985808493, 0.3898297483912715]


def test_keys_of_more_than_64_bits_are_taken_modulo_their_number() -> None:
    assert fractions((1 << 64) + 7, 2) == fractions(7, 2)
    assert fractions((1 << 64) - 1, 2) != fractions((1 << 63) - 1, 2)
