"""Beam with images as elements: read, shuffle the bytes, write each group with pyarrow."""

import zlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import apache_beam as beam

from benchmarks.images.options import image_paths
from benchmarks.images.plain_pyarrow import write
from pipelines.build.beam_options import beam_options

Image: TypeAlias = tuple[str, bytes]
NUM_SHARDS = 8


def run(source: str, output: str) -> dict[str, Any]:
    images = image_paths(source)
    with beam.Pipeline(options=beam_options([], [])) as pipeline:
        _ = (
            pipeline
            | beam.Create(images, reshuffle=True)
            | "Read" >> beam.MapTuple(read).with_output_types(tuple[int, Image])
            | beam.GroupByKey()
            | "Write" >> beam.MapTuple(partial(write_shard, output))
        )
    return {"rows": len(images)}


def read(path: str, file: str) -> tuple[int, Image]:
    return zlib.crc32(path.encode()) % NUM_SHARDS, (path, Path(file).read_bytes())


def write_shard(output: str, shard: int, images: Iterable[Image]) -> None:
    write(f"{output}/{shard}.parquet", sorted(images))
