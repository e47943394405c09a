"""Reads a built dataset back, record by record, in its order or by number."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from datagen.files import Files
from datagen.schema.manifest import Manifest, read_manifest
from datagen.schema.record import Record
from datagen.shards import RowGroups, ShardReader
from datagen.stores.any_files import AnyFiles


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
        """Yield all records of a split, in the order of its shards and rows.

        Raises:
            OutputError: a shard is missing, unreadable, or not what the manifest says.
        """
        with self._reader() as reader:
            for shard in self.manifest.split(source, split).shards:
                for group in range(len(reader.row_counts(shard))):
                    yield from to_records(reader.read(shard, group))

    def record(self, source: str, split: str, index: int) -> Record:
        """Return record number `index` of a split, from 0; reads one row group.

        Raises:
            IndexError: the split has no such record.
            OutputError: its shard is missing, unreadable, or not what the manifest says.
        """
        shards = self.manifest.split(source, split).shards
        whole = RowGroups(shards, [[shard.rows] for shard in shards])
        if not 0 <= index < whole.num_rows:
            raise IndexError(f"{source}/{split} has {whole.num_rows} records, no number {index}")
        place, row = whole.locate(index)
        with self._reader() as reader:
            group, row = reader.row_groups([place.shard]).locate(row)
            return to_records(reader.read(place.shard, group.number).slice(row, 1))[0]

    def _reader(self) -> ShardReader:
        return ShardReader(self.directory, self.files.open_ranges, num_open=1)


def open_dataset(directory: str, files: Files | None = None) -> BuiltDataset:
    """Open a built dataset: a folder, or a URL of a store such as `s3://bucket/instruct`.

    Raises:
        OutputError: the folder holds none, or one of another version.
    """
    files = files or AnyFiles()
    return BuiltDataset(directory, read_manifest(directory, files), files)


def to_records(rows: pa.RecordBatch | pa.Table) -> list[Record]:
    """Return rows of `SCHEMA` as records."""
    return [_record(row) for row in rows.to_pylist()]


def _record(row: dict[str, Any]) -> Record:
    if row["tags"] is not None:
        row["tags"] = {tag["key"]: tag["value"] for tag in row["tags"]}
    return msgspec.convert(row, Record)
