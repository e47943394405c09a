import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.order.split_tree import SplitTree

PUBLISHED_SIZES = (566747, 13900000, 109765, 443757, 9009, 17056, 801579, 443757, 9009, 17056)
PUBLISHED_SIZES += (256870, 23240, 76643)

mixtures = st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=9)


def _observed(tree: SplitTree, probabilities: list[float], prefix: int) -> float:
    """The worst drift, from the sequence itself."""
    total = sum(probabilities)
    counts = np.zeros(len(probabilities))
    shares = np.array(probabilities) / total
    worst = 0.0
    for k in range(prefix):
        counts[tree.place(k)[0]] += 1
        worst = max(worst, float(np.abs(counts - (k + 1) * shares).max()))
    return worst


@given(mixtures)
def test_no_source_is_ever_further_from_its_share_than_the_bound(mixture: list[float]) -> None:
    tree = SplitTree(mixture)
    drift = tree.drift(prefix=300)
    assert math.isclose(_observed(tree, mixture, 300), drift.observed, abs_tol=1e-6)
    assert drift.observed <= drift.bound + 1e-6


@given(st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=5))
def test_few_sources_drift_by_at_most_one_sample(mixture: list[float]) -> None:
    assert SplitTree(mixture).drift(prefix=2_000).bound <= 1 + 1e-9


def test_the_papers_mixture_drifts_by_at_most_one_sample_in_any_prefix() -> None:
    weights = [math.sqrt(size) for size in PUBLISHED_SIZES]
    assert SplitTree(weights).drift(1_000_000).bound <= 1
    weights[4] *= 2
    weights[5] *= 0.5
    drift = SplitTree(weights).drift(1_000_000)
    assert 0.9 < drift.observed <= drift.bound <= 1


@given(mixtures, st.integers(0, 10**9))
def test_places_count_the_samples_of_a_source(mixture: list[float], start: int) -> None:
    tree = SplitTree(mixture)
    counts = tree.counts(start)
    assert sum(counts) == start
    for k in range(start, start + 40):
        source, position = tree.place(k)
        assert position == counts[source]
        counts[source] += 1
    assert counts == tree.counts(start + 40)


def test_one_source_gets_every_sample() -> None:
    assert SplitTree([0.3]).place(17) == (0, 17)


def test_weights_are_parts_of_2_to_the_40_and_none_is_nothing() -> None:
    assert SplitTree([0.75, 0.25]).weights == (3 << 38, 1 << 38)
    assert SplitTree([1.0, 1e-15]).weights == (1 << 40, 1)


def test_the_drift_is_that_of_the_first_samples_and_no_more() -> None:
    tree = SplitTree([0.75, 0.25])  # one sample: 0.25 off; two: 0.5
    assert [tree.drift(prefix).observed for prefix in (0, 1, 2, 4)] == [0, 0.25, 0.5, 0.5]


def test_places_are_exact_where_floating_point_is_not() -> None:
    tree, k = SplitTree([0.6, 0.3, 0.1]), 10**17 + 7
    counts = tree.counts(k)
    assert sum(counts) == k
    assert all(isinstance(count, int) for count in counts)
    for place in range(k, k + 20):
        source, position = tree.place(place)
        assert position == counts[source]
        counts[source] += 1
