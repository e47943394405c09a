"""Datasets of any size: the records of a drawn sample's split, repeated under new ids."""

import hashlib
import io
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
from msgspec.structs import replace

from datagen.files import LocalFiles
from datagen.sample.write import write_sample
from datagen.schema.manifest import encode_manifest, read_manifest
from pipelines.cli.main import main as visinstruct

SPLITS = {"gqa": "test_dev", "visdial": "val"}
ROWS_A_GROUP = 256
SIDE = 64


def write_inputs(folder: Path, source: str, rows: int) -> Path:
    """A dataset of one split with `rows` records, below `folder`; returns its folder."""
    with TemporaryDirectory() as scratch:
        write_sample(Path(scratch, "raw"), num_scenes=30, sources=(source,))
        arguments = ["--raw", f"{scratch}/raw", "--out", str(folder), "--images", "embed"]
        if visinstruct(["build", *arguments]):
            raise SystemExit("the sample could not be built")
    manifest = read_manifest(str(folder), LocalFiles())
    entry = manifest.split(source, SPLITS[source])
    [shard] = entry.shards
    path = folder / shard.path
    _write(path, pq.read_table(path), rows)
    data = path.read_bytes()
    shard = replace(shard, rows=rows, num_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    entry = replace(entry, shards=(shard,), written=rows)
    manifest = replace(manifest, splits={source: {SPLITS[source]: entry}})
    (folder / "manifest.json").write_bytes(encode_manifest(manifest))
    return folder


def _write(path: Path, table: pa.Table, rows: int) -> None:
    written = io.BytesIO()
    with pq.ParquetWriter(written, table.schema) as writer:
        for part in _repeated(table, rows):
            writer.write_table(part, row_group_size=ROWS_A_GROUP)
    path.write_bytes(written.getbuffer())


def _repeated(table: pa.Table, rows: int) -> Iterator[pa.Table]:
    """The rows again and again, each with an id and an image of its own."""
    generator = np.random.default_rng(0)
    images = [
        simplejpeg.encode_jpeg(generator.integers(0, 255, (SIDE, SIDE, 3), np.uint8), 50)
        for _ in range(8)
    ]
    first = table.to_pylist()
    done = 0
    while done < rows:
        part = [row for _ in range(-(-ROWS_A_GROUP // len(table))) for row in deepcopy(first)]
        part = part[: rows - done]
        for number, row in enumerate(part, start=done):
            row["record_id"] = f"{row['record_id']}-{number}"
            row["group_id"] = f"{row['group_id']}-{number // 10}"
            row["images"] = [{"bytes": images[number % 8], "path": row["images"][0]["path"]}]
        yield pa.Table.from_pylist(part, schema=table.schema)
        done += len(part)
