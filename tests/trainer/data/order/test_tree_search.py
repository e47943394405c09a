import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.mixture import MixtureOptions, mix
from trainer.data.order.tree_search import Tree, _starts, best_tree, drift_bound

PUBLISHED_SIZES = {
    "coco_caption": 566_747,
    "web_capfilt": 13_900_000,
    "textcaps": 109_765,
    "vqav2": 443_757,
    "okvqa": 9_009,
    "aokvqa": 17_056,
    "ocr_vqa": 801_579,
    "vqav2_qg": 443_757,
    "okvqa_qg": 9_009,
    "aokvqa_qg": 17_056,
    "llava_conversation": 256_870,
    "llava_detail": 23_240,
    "llava_reasoning": 76_643,
}


def _leaves(tree: Tree) -> list[int]:
    return [tree] if isinstance(tree, int) else [*_leaves(tree[0]), *_leaves(tree[1])]


@settings(max_examples=30)
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8))
def test_every_source_is_a_leaf_once(weights: list[int]) -> None:
    assert sorted(_leaves(best_tree(tuple(weights)))) == list(range(len(weights)))


def test_the_bound_is_that_of_the_formula() -> None:
    tree = ((0, 1), (2, (3, 4)))
    weights = [4, 3, 5, 2, 1]
    expected = [(1 + 4 / 7) / 2, (1 + 3 / 7) / 2, (1 + 5 / 8) / 2, (1 + 2 / 3 + 2 / 8) / 2]
    assert drift_bound(tree, weights) == pytest.approx(max(expected))
    assert drift_bound(tree, weights, limit=0.9) == math.inf
    assert drift_bound(0, [4]) == 0


@pytest.mark.parametrize("rule", ["sqrt", "proportional", "uniform", "temperature"])
def test_mixtures_of_the_papers_sources_are_bound_to_one_sample(rule: str) -> None:
    for factors in ({}, {"aokvqa": 0.5, "okvqa": 2.0}):
        parts = mix(PUBLISHED_SIZES, MixtureOptions(rule=rule, factors=factors))
        weights = tuple(round(part.probability * 2**40) for part in parts.values())
        assert drift_bound(best_tree(weights), weights) <= 1


def test_a_mixture_without_such_a_tree_gets_one_that_is_little_worse() -> None:
    weights = tuple(round(1.5**power * 100) for power in range(10))
    assert 1 <= drift_bound(best_tree(weights), weights) < 1.1


@pytest.mark.parametrize(
    ("weights", "tree"),
    [
        ((16, 9, 4, 1), ((1, 0), (2, 3))),
        ((1000, 729, 512, 100, 27, 5), (((0, 1), (2, (4, 3))), 5)),
        ((1000, 343, 216, 81, 10, 7, 2), ((2, 6), (0, (1, (3, (4, 5)))))),
        ((100, 100, 64, 9, 4, 1), (((1, 0), (4, 5)), (2, 3))),
        ((729, 343, 125, 9, 7, 6, 2), ((0, (2, (3, (4, 5)))), (1, 6))),
        ((1000, 125, 81, 49, 25, 16, 1), ((0, (((4, 5), 3), 1)), (2, 6))),
    ],
    ids=["huffman", "flattened", "more flattened", "third start", "13th start", "20th start"],
)
def test_the_search_ends_with_the_same_tree_in_every_release(
    weights: tuple[int, ...], tree: Tree
) -> None:
    """The order of a run, and so what it resumes, depends on it."""
    assert best_tree(weights) == tree


def test_the_search_starts_from_12_sets_of_flatter_weights_and_16_of_changed_ones() -> None:
    starts = list(_starts((3, 2, 1)))
    assert len(starts) == 12 + 16
    assert starts[0] == [3, 2, 1]
    assert starts[6] == [2.5, 2, 1.5]
    assert all(
        0.6 <= found / w < 1.4 for s in starts[12:] for found, w in zip(s, (3, 2, 1), strict=True)
    )
