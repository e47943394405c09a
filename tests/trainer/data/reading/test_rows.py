import os
from collections.abc import Callable
from pathlib import Path

import pytest

from datagen.dataset import open_dataset
from datagen.files import LocalFiles
from datagen.schema.manifest import Manifest, ShardEntry, read_manifest
from datagen.stores.any_files import AnyFiles
from trainer.data.reading.node_cache import NodeCache
from trainer.data.reading.rows import RowReader
from trainer.errors import DataError

SHARD = "data/vqav2/train-00000-of-00001.parquet"


@pytest.fixture
def reader(tmp_path: Path) -> Callable[..., RowReader]:
    def reader(dataset: Path, verify: str = "size") -> RowReader:
        cache = NodeCache(tmp_path / "cache", 10**9)
        return RowReader(str(dataset), AnyFiles(), cache, verify)  # type: ignore[arg-type]

    return reader


def _manifest(dataset: Path) -> Manifest:
    return read_manifest(str(dataset), LocalFiles())


def _shards(dataset: Path) -> tuple[ShardEntry, ...]:
    return _manifest(dataset).split("vqav2", "train").shards


def test_rows_are_those_of_the_shards_in_order(
    embedded: Path, reader: Callable[..., RowReader]
) -> None:
    shards = tuple(
        shard for split in _manifest(embedded).splits["vqav2"].values() for shard in split.shards
    )
    blocks = reader(embedded).layout(shards)
    dataset = open_dataset(str(embedded))
    expected = [
        record.record_id
        for split in _manifest(embedded).splits["vqav2"]
        for record in dataset.records("vqav2", split)
    ]
    rows = reader(embedded)
    found = []
    for number in range(blocks.num_rows):
        block, row = blocks.locate(number)
        found.append(rows.rows_of(block).record(row).record_id)
    assert found == expected


def test_footers_are_read_once_a_node(damaged: Path, reader: Callable[..., RowReader]) -> None:
    first = reader(damaged).layout(_shards(damaged))
    (damaged / SHARD).unlink()
    assert reader(damaged).layout(_shards(damaged)).num_rows == first.num_rows


def test_a_missing_shard_is_named(damaged: Path, reader: Callable[..., RowReader]) -> None:
    (damaged / SHARD).unlink()
    with pytest.raises(DataError, match=f"{SHARD} is missing; build or download the dataset again"):
        reader(damaged).layout(_shards(damaged))


def test_a_shard_of_another_size_is_named(damaged: Path, reader: Callable[..., RowReader]) -> None:
    with (damaged / SHARD).open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match=rf"{SHARD} has \d+ bytes, the manifest says \d+"):
        reader(damaged).layout(_shards(damaged))


def test_a_shard_with_other_rows_is_named(damaged: Path, reader: Callable[..., RowReader]) -> None:
    other = damaged / "data/coco_caption/train-00000-of-00001.parquet"
    (shard,) = _shards(damaged)
    changed = ShardEntry(
        path=str(other.relative_to(damaged)),
        rows=shard.rows,
        num_bytes=os.path.getsize(other),
        sha256=shard.sha256,
    )
    with pytest.raises(DataError, match=rf"has \d+ rows, the manifest says {shard.rows}"):
        reader(damaged).layout([changed])


def test_a_changed_byte_is_found_by_full_verification(
    damaged: Path, reader: Callable[..., RowReader]
) -> None:
    path = damaged / SHARD
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    reader(damaged).layout(_shards(damaged))
    with pytest.raises(DataError, match=f"{SHARD} has sha256 .*, the manifest says"):
        blocks = reader(damaged, "full").layout(_shards(damaged))
        reader(damaged, "full").rows_of(blocks.groups[0])


def test_a_shard_that_is_no_parquet_any_more_is_named(
    damaged: Path, reader: Callable[..., RowReader]
) -> None:
    path = damaged / SHARD
    path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(DataError, match=f"{SHARD} cannot be read: .*; build or download"):
        reader(damaged).layout(_shards(damaged))


def test_a_row_group_that_is_damaged_is_named(
    damaged: Path, reader: Callable[..., RowReader]
) -> None:
    blocks = reader(damaged).layout(_shards(damaged))
    path = damaged / SHARD
    data = bytearray(path.read_bytes())
    data[4:-10_000] = b"\xff" * (len(data) - 10_004)
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"{SHARD} cannot be read: "):
        reader(damaged).rows_of(blocks.groups[0])


def test_a_row_file_that_a_crash_cut_off_is_made_again(
    embedded: Path, tmp_path: Path, reader: Callable[..., RowReader]
) -> None:
    blocks = reader(embedded).layout(_shards(embedded))
    expected = reader(embedded).rows_of(blocks.groups[0]).record(0)
    for path in (tmp_path / "cache/files").iterdir():
        path.write_bytes(path.read_bytes()[:30])
    assert reader(embedded).layout(_shards(embedded)).num_rows == blocks.num_rows
    assert reader(embedded).rows_of(blocks.groups[0]).record(0) == expected
