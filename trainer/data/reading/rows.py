"""Rows of a built dataset by number, through row files that the processes of a node share.

The first process of a node that needs a row group reads it from its shard (over the network, its ranges
only) and leaves it in the node's cache as a row file; every other row of the group, and every other
process, reads that. How many rows each row group has is read from the footers once a node.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import BinaryIO, Literal

import msgspec
import pyarrow as pa

from datagen.schema.manifest import ShardEntry
from datagen.schema.record import SCHEMA
from datagen.shards import REMEDY, RowGroup, RowGroups, ShardError, ShardReader, sha256_of
from datagen.stores.any_files import AnyFiles
from trainer.data.reading.node_cache import NodeCache
from trainer.data.reading.row_file import COLUMNS, DamagedFileError, RowFile, write_row_file
from trainer.errors import DataError

NUM_FOOTER_THREADS = 16
NUM_OPEN_ROW_FILES = 64


def _row_file_name(group: RowGroup) -> str:
    return f"{group.shard.sha256[:32]}-{group.number}.rows"


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
        digest = self._digest if verify == "full" else None
        self._shards = ShardReader(directory, files.open_ranges, digest=digest)
        self._row_file = lru_cache(maxsize=NUM_OPEN_ROW_FILES)(self._open_row_file)

    def rows_of(self, group: RowGroup) -> RowFile:
        """The rows of a row group.

        Raises:
            DataError: its shard is not what the manifest says, or cannot be read.
        """
        return self._row_file(group)

    def layout(self, shards: Sequence[ShardEntry]) -> RowGroups:
        """The row groups of `shards`, read from their footers and remembered by the node.

        Raises:
            DataError: a shard is missing, or not what the manifest says.
        """
        identity = "/".join([shard.sha256 for shard in shards])
        name = f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.layout"

        def write(file: BinaryIO) -> None:
            with ThreadPoolExecutor(NUM_FOOTER_THREADS) as threads:
                counts = list(threads.map(self._row_counts, shards))
                file.write(msgspec.msgpack.encode(counts))

        for _ in range(2):
            with self._cache.open(name, write) as file:
                try:
                    counts = msgspec.msgpack.decode(file.read(), type=list[list[int]])
                except msgspec.MsgspecError:
                    counts = []
            if [sum(rows) for rows in counts] == [shard.rows for shard in shards]:
                return RowGroups(shards, counts)
            self._cache.discard(name)
        raise DataError(f"{self._directory}: the layout of its shards cannot be kept in the cache")

    def _open_row_file(self, group: RowGroup) -> RowFile:
        name = _row_file_name(group)

        def write(file: BinaryIO) -> None:
            write_row_file(self._read(group), file)

        for _ in range(2):
            try:
                rows = RowFile(self._cache.open(name, write))
                if rows.num_rows == group.num_rows:
                    return rows
            except DamagedFileError:
                pass  # the machine went down while it was written
            self._cache.discard(name)
        path = self._shards.path(group.shard)
        raise DataError(f"{path}: row group {group.number} does not stay in cache")

    def _read(self, group: RowGroup) -> pa.Table:
        try:
            return self._shards.read(group.shard, group.number, COLUMNS).cast(_SCHEMA)
        except ShardError as error:
            raise DataError(str(error)) from None
        except (pa.ArrowException, ValueError) as error:
            path, why = self._shards.path(group.shard), " ".join(str(error).split())
            raise DataError(f"{path} cannot be read: {why}; {REMEDY}") from None

    def _row_counts(self, shard: ShardEntry) -> list[int]:
        try:
            return self._shards.row_counts(shard)
        except ShardError as error:
            raise DataError(str(error)) from None

    def _digest(self, shard: ShardEntry, path: str) -> str:
        """Return the sha256 of a shard, read once a node."""

        def write(file: BinaryIO) -> None:
            with self._files.open_ranges(path) as whole:
                file.write(sha256_of(whole).encode())

        name = f"{shard.sha256[:32]}-{hashlib.sha256(path.encode()).hexdigest()[:8]}.hash"
        with self._cache.open(name, write) as file:
            found = file.read().decode()
        if found != shard.sha256:
            self._cache.discard(name)  # it may be mended
        return found


_SCHEMA = pa.schema([SCHEMA.field(name) for name in COLUMNS])
