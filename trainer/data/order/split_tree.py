"""Source of sample k: a tree of two-way splits, in integer arithmetic.

A node that has seen n samples has sent round(n * share) of them to its left, so that how many samples of
the first k are a source's follows from k alone, and so does whose sample k is. A split's count is half a
sample off at most, and a branch takes over its part of the error above it; `trainer.data.order.tree_search`
looks for a tree in which no source is off by more than one sample.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.data.order.tree_search import Tree, best_tree, drift_bound

WEIGHT_BITS = 40


class Drift(NamedTuple):
    """Bound the distance of a source's count from its share, in samples.

    `bound` holds for every prefix of a run, `observed` is the worst of the first `prefix` samples.
    """

    bound: float
    observed: float
    prefix: int


class SplitTree:
    """Deals the samples of a run to sources of the given probabilities.

    Examples:
        >>> tree = SplitTree([0.75, 0.25])
        >>> [tree.place(k) for k in range(4)]
        [(0, 0), (1, 0), (0, 1), (0, 2)]
    """

    def __init__(self, probabilities: Sequence[float], tree: "Tree | None" = None) -> None:
        """A `tree` that another one of these probabilities has found saves the search."""
        total = sum(probabilities)
        scale = 1 << WEIGHT_BITS
        self.weights = tuple(max(1, round(p / total * scale)) for p in probabilities)
        self.tree = best_tree(self.weights) if tree is None else tree
        self._root = _compile(self.tree, self.weights)

    def place(self, k: int) -> tuple[int, int]:
        """The number of the source of sample `k`, and how many samples of it come before."""
        node, n = self._root, k
        while isinstance(node, _Node):
            left = (n * node.left_weight + node.half) // node.weight
            if ((n + 1) * node.left_weight + node.half) // node.weight > left:
                node, n = node.left, left
            else:
                node, n = node.right, n - left
        return node, n

    def counts(self, k: int) -> list[int]:
        """Count the first `k` samples by source."""
        counts = [0] * len(self.weights)
        for leaf, count in _dealt(self._root, k):
            counts[leaf] = count
        return counts

    def drift(self, prefix: int) -> Drift:
        """The proven bound, and the worst of the first `prefix` samples (at most 2**22 of them)."""
        assert prefix <= 1 << (62 - WEIGHT_BITS), prefix
        ks = np.arange(prefix + 1, dtype=np.int64)
        total = sum(self.weights)
        worst = 0.0
        for leaf, counts in _dealt(self._root, ks):
            share = ks * (self.weights[leaf] / total)
            worst = max(worst, float(np.abs(counts - share).max()))
        return Drift(drift_bound(self.tree, self.weights), worst, prefix)


class _Node(NamedTuple):
    weight: int
    left_weight: int
    half: int
    left: "_Node | int"
    right: "_Node | int"


def _compile(tree: Tree, weights: Sequence[int]) -> _Node | int:
    if isinstance(tree, int):
        return tree
    left, right = (_compile(branch, weights) for branch in tree)
    left_weight = _weight(left, weights)
    weight = left_weight + _weight(right, weights)
    return _Node(weight, left_weight, weight // 2, left, right)


def _weight(node: _Node | int, weights: Sequence[int]) -> int:
    return weights[node] if isinstance(node, int) else node.weight


def _dealt(node: _Node | int, n: "int | NDArray[np.int64]") -> Iterator[tuple[int, "int"]]:
    """Each leaf with its part of `n` samples, or of every number in an array."""
    if isinstance(node, int):
        yield node, n  # type: ignore[misc]
        return
    left = (n * node.left_weight + node.half) // node.weight
    yield from _dealt(node.left, left)
    yield from _dealt(node.right, n - left)
