"""Beam as its tutorials show it: a row is an element, a record a dict, the sink `WriteToParquet`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import msgspec

from benchmarks.text.rows import ANNOTATIONS, JOINED, QUESTIONS, Joined, joined, record_of
from datagen.schema.record import SCHEMA
from pipelines.build.beam_options import beam_options

DECODER = msgspec.json.Decoder(Joined)


def run(source: str, output: str, rows: str) -> dict[str, Any]:
    """`rows` are read `joined`, or from the `official` files and joined by `CoGroupByKey`."""
    read = _joined_rows if rows == "joined" else _official_rows
    with beam.Pipeline(options=beam_options([], [])) as pipeline:
        _ = (
            read(pipeline, source)
            | "Record" >> beam.Map(record_of)
            | beam.io.WriteToParquet(
                f"{output}/train", SCHEMA, codec="zstd", num_shards=8, file_name_suffix=".parquet"
            )
        )
    return {}


def _joined_rows(pipeline: beam.Pipeline, source: str) -> beam.pvalue.PCollection:
    return pipeline | beam.io.ReadFromText(f"{source}/{JOINED}") | "Decode" >> beam.Map(decode)


def decode(line: str) -> Joined:
    return DECODER.decode(line)


def _official_rows(pipeline: beam.Pipeline, source: str) -> beam.pvalue.PCollection:
    files = {
        "question": (f"{source}/vqav2/{QUESTIONS}", "questions"),
        "annotation": (f"{source}/vqav2/{ANNOTATIONS}", "annotations"),
    }
    rows = {
        name: pipeline | f"File of {name}" >> beam.Create([file]) | name >> beam.FlatMapTuple(keyed)
        for name, file in files.items()
    }
    return rows | beam.CoGroupByKey() | "Join" >> beam.MapTuple(join)


def keyed(path: str, member: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for row in json.loads(Path(path).read_bytes())[member]:
        yield row["question_id"], row


def join(_: int, rows: Mapping[str, Sequence[dict[str, Any]]]) -> Joined:
    return joined(rows["question"][0], rows["annotation"][0])
