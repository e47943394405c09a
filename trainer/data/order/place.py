"""Place of sample k: its source, epoch and row, a function of the seed and k.

A split tree gives the source of sample k and the number of samples of that source before it. Each epoch over
a source permutes its blocks (row groups, whose rows are stored in pseudo-random order), and the rows within
each block: every row is visited once, and reading stays local.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.data.order.permutation import keyed, shuffled
from trainer.data.order.sample import Place
from trainer.data.order.split_tree import Drift, SplitTree
from trainer.data.order.tree_search import Tree


@dataclass(frozen=True)
class SourceRows:
    """A source's probability and the rows of its blocks, of which the last `reserved` are not drawn."""

    probability: float
    block_rows: NDArray[np.int64]
    reserved: int = 0

    def __post_init__(self) -> None:
        assert self.num_rows > 0, self

    @property
    def num_rows(self) -> int:
        """Rows that are drawn."""
        return int(self.block_rows.sum()) - self.reserved


class _Epoch(NamedTuple):
    """Blocks in the order of one epoch: their numbers, first rows, sizes, and where they end in the epoch."""

    blocks: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    ends: NDArray[np.int64]


class Order:
    """The order of a run. Any sample, the 10**7th too, is found by a few two-way splits.

    The draw is the epoch, or always 0 with `render` "stored".

    Examples:
        >>> order = Order({"okvqa": SourceRows(1.0, np.array([2, 1]))}, seed=0)
        >>> sorted(order.place(k).row for k in range(3))
        [0, 1, 2]
        >>> order.place(3).epoch
        1
    """

    def __init__(
        self,
        sources: Mapping[str, SourceRows],
        seed: int,
        render: Literal["fresh", "stored"] = "fresh",
        tree: "Tree | None" = None,
    ) -> None:
        self.sources = dict(sources)
        self._names = tuple(self.sources)
        self._sizes = {name: rows.num_rows for name, rows in self.sources.items()}
        self._seed = seed
        self._fresh = render == "fresh"
        self._tree = SplitTree([rows.probability for rows in self.sources.values()], tree)
        self._epoch = lru_cache(maxsize=2 * len(self._names))(self._make_epoch)
        self._rows_of_block = lru_cache(maxsize=8 * len(self._names))(self._make_rows_of_block)

    def place(self, k: int, attempt: int = 0) -> Place:
        """Return the origin of sample `k`, or of the row that stands in for it on a later `attempt`."""
        number, position = self._tree.place(k)
        source = self._names[number]
        epoch, index = divmod(position, self._sizes[source])
        row = self._row(source, epoch, index)
        if attempt:
            row = self._substitute(source, row, keyed(self._seed, "attempt", k, attempt))
        return Place(
            k=k,
            source=source,
            position=position,
            epoch=epoch,
            row=row,
            draw=epoch if self._fresh else 0,
            chance=keyed(self._seed, "chance", k, attempt),
            attempt=attempt,
        )

    @property
    def tree(self) -> Tree:
        return self._tree.tree

    def counts(self, k: int) -> dict[str, int]:
        """Count the first `k` samples by source."""
        return dict(zip(self._names, self._tree.counts(k), strict=True))

    def drift(self, prefix: int = 100_000) -> Drift:
        return self._tree.drift(prefix)

    def _row(self, source: str, epoch: int, index: int) -> int:
        blocks, starts, sizes, ends = self._epoch(source, epoch)
        slot = int(np.searchsorted(ends, index, side="right"))
        block, size = int(blocks[slot]), int(sizes[slot])
        inside = self._rows_of_block(source, epoch, block, size)
        return int(starts[slot]) + int(inside[index - (int(ends[slot]) - size)])

    def _substitute(self, source: str, row: int, chance: int) -> int:
        """Return another row than `row`, if there is one."""
        size = self._sizes[source]
        return (row + 1 + chance % (size - 1)) % size if size > 1 else row

    def _make_epoch(self, source: str, epoch: int) -> _Epoch:
        sizes = _cut(self.sources[source])
        starts = np.cumsum(sizes) - sizes
        blocks = shuffled(len(sizes), keyed(self._seed, "blocks", source, epoch))
        sizes, starts = sizes[blocks], starts[blocks]
        return _Epoch(blocks, starts, sizes, np.cumsum(sizes))

    def _make_rows_of_block(
        self, source: str, epoch: int, block: int, size: int
    ) -> NDArray[np.int64]:
        return shuffled(size, keyed(self._seed, "rows", source, epoch, block))


def _cut(rows: SourceRows) -> NDArray[np.int64]:
    """Return the number of rows of each block that are drawn [blocks]; the last blocks may have none and are left out."""
    ends = np.minimum(np.cumsum(rows.block_rows), rows.num_rows)
    sizes = np.diff(ends, prepend=0)
    return sizes[: int(np.searchsorted(ends, rows.num_rows)) + 1]
