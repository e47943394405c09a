"""pyarrow alone: read each image, write bytes and paths to Parquet, uncompressed, fsync."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.images.options import image_paths
from datagen.build.shard_writer import ROW_GROUP_BYTES
from datagen.schema.record import SCHEMA

IMAGES = pa.schema([SCHEMA.field("images")])


def run(source: str, output: str) -> dict[str, Any]:
    images = image_paths(source)
    write(f"{output}/images.parquet", ((path, Path(file).read_bytes()) for path, file in images))
    return {"rows": len(images)}


def write(path: str, images: Iterable[tuple[str, bytes]]) -> None:
    """The `images` column alone, in row groups of the size that the build makes."""
    with open(path, "wb") as file:
        with pq.ParquetWriter(
            file, IMAGES, compression="none", use_dictionary=False, write_statistics=False
        ) as writer:
            for group in row_groups(images):
                writer.write_table(_table(group))
        file.flush()
        os.fsync(file.fileno())


def row_groups(images: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    group: list[tuple[str, bytes]] = []
    size = 0
    for path, data in images:
        if group and size + len(data) > ROW_GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append((path, data))
        size += len(data)
    if group:
        yield group


def _table(group: list[tuple[str, bytes]]) -> pa.Table:
    paths, data = zip(*group, strict=True)
    images = pa.StructArray.from_arrays(
        [pa.array(data, pa.binary()), pa.array(paths, pa.string())], names=["bytes", "path"]
    )
    offsets = pa.array(range(len(group) + 1), pa.int32())
    return pa.table([pa.ListArray.from_arrays(offsets, images)], schema=IMAGES)
