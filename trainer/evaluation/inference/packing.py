"""Candidates as trees: a common beginning is read once, in one row for many candidates.

A candidate `a b c` needs what the model predicts after nothing, after `a` and after `a b`. These contexts
are the nodes of a tree, and its root is what comes before all candidates. A pack is such a tree, laid out
as a row of tokens of which each sees its ancestors and itself alone:

    candidates     a b c | a d | e          (numbers 0, 1, 2)
    nodes          root, a, a b             (nothing is predicted behind `a b c`, `a d` and `e`)
    depths         0, 1, 2
    targets        root: a, a, e; a: b, d; a b: c
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class Pack:
    """Candidates that are scored in one row of nodes; node 0 is the root and has no token.

    tokens, depths, parents   of the nodes, parents before children
    nodes, targets, numbers   of the predictions: the node, the token, and the number of the candidate
    """

    tokens: list[int] = field(default_factory=lambda: [-1])
    depths: list[int] = field(default_factory=lambda: [0])
    parents: list[int] = field(default_factory=lambda: [-1])
    nodes: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        """Number of nodes, the root among them."""
        return len(self.tokens)

    def ancestry(self, size: int) -> NDArray[np.bool_]:
        """Bool [size, size]: which nodes each node sees; those behind the last see themselves."""
        sees = np.eye(size, dtype=np.bool_)
        for node, parent in enumerate(self.parents[1:], start=1):
            sees[node] |= sees[parent]
        return sees


def pack(rows: Sequence[Sequence[int]], most_nodes: int) -> list[Pack]:
    """Packs of candidates, each of at most `most_nodes` nodes unless one candidate needs more.

    `rows` are the candidates' tokens, none of them empty. Neighbours in the order of the alphabet come
    together, because they begin alike. A candidate lies in one pack with all its predictions.
    """
    packs: list[Pack] = []
    places: dict[tuple[int, ...], int] = {}
    for number, row in sorted(enumerate(rows), key=lambda item: list(item[1])):
        new = sum(context not in places for context in _contexts(row))
        if not packs or (len(packs[-1]) + new > most_nodes and packs[-1].targets):
            packs.append(Pack())
            places = {(): 0}
        _add(packs[-1], places, number, row)
    return packs


def _add(tree: Pack, places: dict[tuple[int, ...], int], number: int, row: Sequence[int]) -> None:
    for context, token in zip(_contexts(row), row, strict=True):
        if context not in places:
            places[context] = len(tree)
            tree.tokens.append(context[-1])
            tree.depths.append(len(context))
            tree.parents.append(places[context[:-1]])
        tree.nodes.append(places[context])
        tree.targets.append(token)
        tree.numbers.append(number)


def _contexts(row: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the tokens before each token of a candidate."""
    return (tuple(row[:length]) for length in range(len(row)))
