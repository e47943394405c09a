"""Which source sample k is from: a tree of two-way splits, in integer arithmetic.

A node that has seen n samples has sent round(n * share) of them to its left, so that how many samples of
the first k are a source's follows from k alone, and so does whose sample k is. A split's count is half a
sample off at most, and a branch takes over its part of the error above it: a leaf of weight w is off by at
most (1 + the sum of w / w_a over the nodes a between it and the root) / 2. The tree is chosen so that
this bound is small, where possible at most 1: Huffman's tree, improved by moving branches.
"""

import heapq
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Tree: TypeAlias = "int | tuple[Tree, Tree]"
WEIGHT_BITS = 40
GOAL = 1.0
NUM_STARTS = 24
_BRANCH: TypeAlias = tuple[int, ...]


class Drift(NamedTuple):
    """How many samples a source's count may be from its share.

    `bound` holds for every prefix of a run, `observed` is the worst of the first `prefix` samples.
    """

    bound: float
    observed: float
    prefix: int


class SplitTree:
    """Deals the samples of a run to sources of the given probabilities.

    Example:
        >>> tree = SplitTree([0.75, 0.25])
        >>> [tree.place(k) for k in range(4)]
        [(0, 0), (1, 0), (0, 1), (0, 2)]
    """

    def __init__(self, probabilities: Sequence[float], tree: "Tree | None" = None) -> None:
        """A `tree` that another one of these probabilities has found saves the search."""
        total = sum(probabilities)
        scale = 1 << WEIGHT_BITS
        self.weights = tuple(max(1, round(p / total * scale)) for p in probabilities)
        self.tree = _best_tree(self.weights) if tree is None else tree
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
        """How many of the first `k` samples each source gets."""
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
        return Drift(_bound(self.tree, self.weights), worst, prefix)


class _Node(NamedTuple):
    weight: int
    left_weight: int
    half: int
    left: "_Node | int"
    right: "_Node | int"


def _compile(tree: Tree, weights: Sequence[int]) -> _Node | int:
    if isinstance(tree, int):
        return tree
    weight, left = _weight(tree, weights), _weight(tree[0], weights)
    return _Node(weight, left, weight // 2, *(_compile(branch, weights) for branch in tree))


def _dealt(node: _Node | int, n: "int | NDArray[np.int64]") -> Iterator[tuple[int, "int"]]:
    """Each leaf with its part of `n` samples, or of every number in an array."""
    if isinstance(node, int):
        yield node, n  # type: ignore[misc]
        return
    left = (n * node.left_weight + node.half) // node.weight
    yield from _dealt(node.left, left)
    yield from _dealt(node.right, n - left)


@lru_cache(maxsize=16)
def _best_tree(weights: tuple[int, ...]) -> Tree:
    """The tree of the smallest bound that a short search finds; a function of the weights."""
    best: tuple[float, Tree] | None = None
    for start in range(NUM_STARTS):
        flattened = [weight ** (1 - start / NUM_STARTS) for weight in weights]
        found = _improve(_huffman(flattened), weights)
        best = found if best is None or found[0] < best[0] else best
        if best[0] <= GOAL:
            break
    assert best is not None
    return best[1]


def _huffman(weights: Sequence[float]) -> Tree:
    heap: list[tuple[float, int, Tree]] = [(w, leaf, leaf) for leaf, w in enumerate(weights)]
    heapq.heapify(heap)
    for made in range(len(weights), 2 * len(weights) - 1):
        light, heavy = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (light[0] + heavy[0], made, (heavy[2], light[2])))
    return heap[0][2]


def _improve(tree: Tree, weights: Sequence[int]) -> tuple[float, Tree]:
    """Move the branch whose move lowers the bound most, until none does."""
    bound = _bound(tree, weights)
    while bound > GOAL:
        found = min(((_bound(t, weights), n, t) for n, t in enumerate(_moves(tree))), default=None)
        if found is None or found[0] > bound - 1e-9:
            break
        bound, _, tree = found
    return bound, tree


def _moves(tree: Tree) -> Iterator[Tree]:
    """The tree with one branch cut off and put elsewhere."""
    for place, branch in list(_branches(tree)):
        if place:
            rest = _without(tree, place)
            for other, _ in _branches(rest):
                yield _with(rest, other, branch)


def _branches(tree: Tree, place: _BRANCH = ()) -> Iterator[tuple[_BRANCH, Tree]]:
    yield place, tree
    if not isinstance(tree, int):
        for side, branch in enumerate(tree):
            yield from _branches(branch, (*place, side))


def _without(tree: Tree, place: _BRANCH) -> Tree:
    assert not isinstance(tree, int)
    if len(place) == 1:
        return tree[1 - place[0]]
    kept = _without(tree[place[0]], place[1:])
    return (kept, tree[1]) if place[0] == 0 else (tree[0], kept)


def _with(tree: Tree, place: _BRANCH, branch: Tree) -> Tree:
    if not place:
        return tree, branch
    assert not isinstance(tree, int)
    grown = _with(tree[place[0]], place[1:], branch)
    return (grown, tree[1]) if place[0] == 0 else (tree[0], grown)


def _weight(tree: Tree, weights: Sequence[int]) -> int:
    if isinstance(tree, int):
        return weights[tree]
    return _weight(tree[0], weights) + _weight(tree[1], weights)


def _bound(tree: Tree, weights: Sequence[int]) -> float:
    """The largest bound of a leaf; see the module's docstring."""
    if isinstance(tree, int):
        return 0.0
    return max(_worst(branch, weights, 0.0)[1] for branch in tree)


def _worst(tree: Tree, weights: Sequence[int], above: float) -> tuple[int, float]:
    """The weight of a branch and the bound of its worst leaf; `above` sums 1 / w_a so far."""
    if isinstance(tree, int):
        return weights[tree], (1 + weights[tree] * above) / 2
    weight = _weight(tree, weights)
    inside = above + 1 / weight
    return weight, max(_worst(branch, weights, inside)[1] for branch in tree)
