"""Reads the shards of a built dataset by row group, each compared with the manifest before its first use.

`datagen.dataset`, the trainer's stream and the evaluation's records all read through this.
"""

import hashlib
import os
import weakref
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from datagen.errors import OutputError
from datagen.files import is_url
from datagen.schema.manifest import ShardEntry

REMEDY = "build or download the dataset again"


class ShardError(OutputError):
    """A shard that is missing, unreadable, or not what the manifest says."""


@dataclass(frozen=True)
class RowGroup:
    """A row group: its shard, its number in it, its first row in the split, and its rows."""

    shard: ShardEntry
    number: int
    first: int
    num_rows: int


class RowGroups:
    """The row groups of some shards, in order, as one range of rows; `counts` are their rows, by shard."""

    def __init__(self, shards: Sequence[ShardEntry], counts: Sequence[Sequence[int]]) -> None:
        self.groups: list[RowGroup] = []
        self.num_rows = 0
        for shard, rows in zip(shards, counts, strict=True):
            for number, num_rows in enumerate(rows):
                self.groups.append(RowGroup(shard, number, self.num_rows, num_rows))
                self.num_rows += num_rows
        self._ends = list(accumulate(group.num_rows for group in self.groups))

    @property
    def group_rows(self) -> NDArray[np.int64]:
        """The rows of each group."""
        return np.array([group.num_rows for group in self.groups], dtype=np.int64)

    def locate(self, row: int) -> tuple[RowGroup, int]:
        """Return the row group of a row, and the row's place in it."""
        assert 0 <= row < self.num_rows, row
        group = self.groups[bisect_right(self._ends, row)]
        return group, row - group.first


class ShardReader:
    """Reads row groups of the dataset in `directory`; keeps the `num_open` shards used last open.

    Args:
        directory: The dataset's folder.
        open_file: Opens a path as a seekable reader.
        digest: Returns the sha256 of a shard, given its entry and path. Without it, sizes and rows are
            compared alone.
        num_open: How many shards stay open.
    """

    def __init__(
        self,
        directory: str,
        open_file: Callable[[str], BinaryIO],
        *,
        digest: Callable[[ShardEntry, str], str] | None = None,
        num_open: int = 8,
    ) -> None:
        self._directory = directory.rstrip("/")
        self._open_file, self._digest = open_file, digest
        self._checked: set[str] = set()
        self.open = lru_cache(maxsize=num_open)(self._open)

    def __enter__(self) -> "ShardReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.open.cache_clear()  # closes the files

    def path(self, shard: ShardEntry) -> str:
        return f"{self._directory}/{shard.path}"

    def row_counts(self, shard: ShardEntry) -> list[int]:
        """Return the rows of each row group of a shard, from its footer; it is not kept open.

        Raises:
            ShardError: The shard is missing, unreadable, or not what the manifest says.
        """
        metadata = self._open(shard).metadata
        return [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]

    def row_groups(self, shards: Sequence[ShardEntry]) -> RowGroups:
        """Return the row groups of `shards`, from their footers.

        Raises:
            ShardError: A shard is missing, unreadable, or not what the manifest says.
        """
        return RowGroups(shards, [self.row_counts(shard) for shard in shards])

    def read(self, shard: ShardEntry, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a row group, or some of its columns.

        Raises:
            ShardError: The shard is missing, unreadable, or not what the manifest says.
        """
        try:
            return self.open(shard).read_row_group(group, columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(f"row group {group} of {self.path(shard)}", error) from None

    def _open(self, shard: ShardEntry) -> pq.ParquetFile:
        path = self.path(shard)
        try:
            file = self._open_file(path)
            try:
                self._check(shard, path, file)
                parquet = pq.ParquetFile(file, pre_buffer=is_url(path))
                if parquet.metadata.num_rows != shard.rows:
                    raise _mismatch(path, f"{parquet.metadata.num_rows} rows", str(shard.rows))
            except BaseException:
                file.close()
                raise
        except (FileNotFoundError, NotADirectoryError):
            raise ShardError(f"{path} is missing; {REMEDY}") from None
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, error) from None
        weakref.finalize(parquet, file.close)
        self._checked.add(shard.path)
        return parquet

    def _check(self, shard: ShardEntry, path: str, file: BinaryIO) -> None:
        """Compare the size, and once the digest."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if size != shard.num_bytes:
            raise _mismatch(path, f"{size} bytes", str(shard.num_bytes))
        if self._digest is None or shard.path in self._checked:
            return
        if (sha256 := self._digest(shard, path)) != shard.sha256:
            raise _mismatch(path, f"sha256 {sha256}", shard.sha256)


def sha256_of(file: BinaryIO) -> str:
    """Return the sha256 of the rest of a file."""
    digest = hashlib.sha256()
    while data := file.read(1 << 20):
        digest.update(data)
    return digest.hexdigest()


def _mismatch(path: str, found: str, expected: str) -> ShardError:
    return ShardError(f"{path} has {found}, the manifest says {expected}; {REMEDY}")


def _unreadable(what: str, error: Exception) -> ShardError:
    return ShardError(f"{what} cannot be read: {' '.join(str(error).split())}; {REMEDY}")
