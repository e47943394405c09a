"""Reads a built dataset back, record by record, in its order or by number."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from datagen.files import Files, LocalFiles
from datagen.schema.manifest import Manifest, read_manifest
from datagen.schema.record import Record


@dataclass(frozen=True)
class BuiltDataset:
    """A folder that `visinstruct build` wrote.

    Examples:
        >>> dataset = open_dataset("data/instruct")  # doctest: +SKIP
        >>> dataset.record("vqav2", "train", 17).instruction  # doctest: +SKIP
        'Answer in a word or two: what colour is the bus?'
    """

    directory: str
    manifest: Manifest
    files: Files

    def records(self, source: str, split: str) -> Iterator[Record]:
        """All records of a split, in the order of its shards and rows."""
        for shard in self.manifest.split(source, split).shards:
            with self.files.open_binary(f"{self.directory}/{shard.path}") as file:
                for batch in pq.ParquetFile(file).iter_batches():
                    yield from to_records(batch)

    def record(self, source: str, split: str, index: int) -> Record:
        """Record number `index` of a split, from 0; reads one row group.

        Raises:
            IndexError: the split has no such record.
        """
        shards = self.manifest.split(source, split).shards
        ends = list(accumulate(shard.rows for shard in shards))
        total = ends[-1] if ends else 0
        if not 0 <= index < total:
            raise IndexError(f"{source}/{split} has {total} records, no number {index}")
        shard = bisect_right(ends, index)
        row = index - (ends[shard] - shards[shard].rows)
        with self.files.open_binary(f"{self.directory}/{shards[shard].path}") as file:
            parquet = pq.ParquetFile(file)
            for group in range(parquet.num_row_groups):
                rows = parquet.metadata.row_group(group).num_rows
                if row < rows:
                    return to_records(parquet.read_row_group(group).slice(row, 1))[0]
                row -= rows
        raise AssertionError("the manifest counts more rows than the shard has")


def open_dataset(directory: str, files: Files | None = None) -> BuiltDataset:
    """Open a built dataset.

    Raises:
        OutputError: the folder holds none, or one of another version.
    """
    files = files or LocalFiles()
    return BuiltDataset(directory, read_manifest(directory, files), files)


def to_records(rows: pa.RecordBatch | pa.Table) -> list[Record]:
    """Rows of `SCHEMA` as records."""
    return [_record(row) for row in rows.to_pylist()]


def _record(row: dict[str, Any]) -> Record:
    if row["tags"] is not None:
        row["tags"] = {tag["key"]: tag["value"] for tag in row["tags"]}
    return msgspec.convert(row, Record)
