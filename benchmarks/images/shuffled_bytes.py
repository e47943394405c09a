"""Beam with pictures as elements: read, shuffle the bytes, write each group with pyarrow."""

import zlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import apache_beam as beam

from benchmarks.images.options import picture_paths
from benchmarks.images.plain_pyarrow import write
from pipelines.beam_options import beam_options

Picture: TypeAlias = tuple[str, bytes]
NUM_SHARDS = 8


def run(source: str, output: str) -> dict[str, Any]:
    pictures = picture_paths(source)
    with beam.Pipeline(options=beam_options([], [])) as pipeline:
        _ = (
            pipeline
            | beam.Create(pictures, reshuffle=True)
            | "Read" >> beam.MapTuple(read).with_output_types(tuple[int, Picture])
            | beam.GroupByKey()
            | "Write" >> beam.MapTuple(partial(write_shard, output))
        )
    return {"rows": len(pictures)}


def read(path: str, file: str) -> tuple[int, Picture]:
    return zlib.crc32(path.encode()) % NUM_SHARDS, (path, Path(file).read_bytes())


def write_shard(output: str, shard: int, pictures: Iterable[Picture]) -> None:
    write(f"{output}/{shard}.parquet", sorted(pictures))
