"""Rows of a built dataset by number, through row files that the processes of a node share.

The first process of a node that needs a row group reads it from its shard (over the network, its ranges
only) and leaves it in the node's cache as a row file; every other row of the group, and every other
process, reads that. How many rows each row group has is read from the footers once a node.
"""

import hashlib
import weakref
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import BinaryIO, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from datagen.schema.manifest import ShardEntry
from datagen.schema.record import SCHEMA
from trainer.data.reading.node_cache import NodeCache
from trainer.data.reading.remote import AnyFiles, is_remote
from trainer.data.reading.row_file import COLUMNS, DamagedFileError, RowFile, write_row_file
from trainer.errors import DataError

NUM_FOOTER_THREADS = 16
NUM_OPEN_SHARDS = 8
NUM_OPEN_ROW_FILES = 64


@dataclass(frozen=True)
class Block:
    """A row group: its shard, its number in it, and its rows."""

    shard: ShardEntry
    group: int
    num_rows: int

    @property
    def name(self) -> str:
        return f"{self.shard.sha256[:32]}-{self.group}.rows"


class BlockList:
    """The row groups of some shards, in order, as one range of rows."""

    def __init__(self, shards: Sequence[ShardEntry], groups: Sequence[Sequence[int]]) -> None:
        self.blocks = [
            Block(shard, group, rows)
            for shard, counts in zip(shards, groups, strict=True)
            for group, rows in enumerate(counts)
        ]
        self._ends = list(accumulate(block.num_rows for block in self.blocks))

    @property
    def num_rows(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def block_rows(self) -> NDArray[np.int64]:
        return np.array([block.num_rows for block in self.blocks], dtype=np.int64)

    def locate(self, row: int) -> tuple[Block, int]:
        """The block of a row and its place in that."""
        assert 0 <= row < self.num_rows, row
        number = bisect_right(self._ends, row)
        block = self.blocks[number]
        return block, row - (self._ends[number] - block.num_rows)


class RowReader:
    """Reads the rows of the dataset in `directory`. Shards are compared with the manifest first.

    `verify` "size" compares a shard's size and the rows of its footer, "full" its sha256 as well.
    """

    def __init__(
        self, directory: str, files: AnyFiles, cache: NodeCache, verify: Literal["size", "full"]
    ) -> None:
        self._directory = directory
        self._files = files
        self._cache = cache
        self._verify = verify
        self._shard = lru_cache(maxsize=NUM_OPEN_SHARDS)(self._open_shard)
        self._row_file = lru_cache(maxsize=NUM_OPEN_ROW_FILES)(self._open_row_file)

    def rows_of(self, block: Block) -> RowFile:
        """The rows of a row group.

        Raises:
            DataError: its shard is not what the manifest says, or cannot be read.
        """
        return self._row_file(block)

    def layout(self, shards: Sequence[ShardEntry]) -> BlockList:
        """The row groups of `shards`, read from their footers and remembered by the node.

        Raises:
            DataError: a shard is missing, or not what the manifest says.
        """
        identity = "/".join([shard.sha256 for shard in shards])
        name = f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.layout"

        def write(file: BinaryIO) -> None:
            with ThreadPoolExecutor(NUM_FOOTER_THREADS) as threads:
                file.write(msgspec.msgpack.encode(list(threads.map(self._group_rows, shards))))

        for _ in range(2):
            with self._cache.open(name, write) as file:
                try:
                    groups = msgspec.msgpack.decode(file.read(), type=list[list[int]])
                except msgspec.MsgspecError:
                    groups = []
            if [sum(rows) for rows in groups] == [shard.rows for shard in shards]:
                return BlockList(shards, groups)
            self._cache.discard(name)
        raise DataError(f"{self._directory}: the layout of its shards cannot be kept in the cache")

    def _open_row_file(self, block: Block) -> RowFile:
        def write(file: BinaryIO) -> None:
            write_row_file(self._read(block), file)

        for _ in range(2):
            try:
                rows = RowFile(self._cache.open(block.name, write))
                if rows.num_rows == block.num_rows:
                    return rows
            except DamagedFileError:
                pass  # the machine went down while it was written
            self._cache.discard(block.name)
        raise DataError(
            f"{self._path(block.shard)}: row group {block.group} does not stay in cache"
        )

    def _read(self, block: Block) -> pa.Table:
        path = self._path(block.shard)
        try:
            table = self._shard(block.shard).read_row_group(block.group, columns=COLUMNS)
            return table.cast(_SCHEMA)
        except DataError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {_sentence(error)}{_REMEDY}") from None

    def _open_shard(self, shard: ShardEntry) -> pq.ParquetFile:
        """An opened shard that is what the manifest says."""
        path = self._path(shard)
        try:
            size = self._files.size(path)
            if size != shard.num_bytes:
                raise DataError(
                    f"{path} has {size} bytes, the manifest says {shard.num_bytes}{_REMEDY}"
                )
            if self._verify == "full":
                self._check_hash(shard, path)
            file = self._files.open_ranges(path)
            parquet = pq.ParquetFile(file, pre_buffer=is_remote(path))
            weakref.finalize(parquet, file.close)
        except FileNotFoundError:
            raise DataError(f"{path} is missing{_REMEDY}") from None
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} cannot be read: {_sentence(error)}{_REMEDY}") from None
        if parquet.metadata.num_rows != shard.rows:
            raise DataError(
                f"{path} has {parquet.metadata.num_rows} rows, the manifest says {shard.rows}{_REMEDY}"
            )
        return parquet

    def _check_hash(self, shard: ShardEntry, path: str) -> None:
        """Compare the sha256, once a node."""

        def write(file: BinaryIO) -> None:
            digest = hashlib.sha256()
            with self._files.open_ranges(path) as whole:
                while data := whole.read(1 << 20):
                    digest.update(data)
            file.write(digest.hexdigest().encode())

        name = f"{shard.sha256[:32]}-{hashlib.sha256(path.encode()).hexdigest()[:8]}.hash"
        with self._cache.open(name, write) as file:
            found = file.read().decode()
        if found != shard.sha256:
            self._cache.discard(name)  # it may be mended
            raise DataError(f"{path} has sha256 {found}, the manifest says {shard.sha256}{_REMEDY}")

    def _group_rows(self, shard: ShardEntry) -> list[int]:
        metadata = self._open_shard(shard).metadata
        return [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]

    def _path(self, shard: ShardEntry) -> str:
        return f"{self._directory}/{shard.path}"


_SCHEMA = pa.schema([SCHEMA.field(name) for name in COLUMNS])
_REMEDY = "; build or download the dataset again"


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())
