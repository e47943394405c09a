"""Hugging Face `datasets`: `load_dataset`, a batched `map`, `to_parquet`."""

from functools import partial
from typing import Any, TypeAlias

import datasets

from benchmarks.text.rows import ANNOTATIONS, JOINED, QUESTIONS, joined, record_of
from datagen.schema.record import SCHEMA

Batch: TypeAlias = dict[str, list[Any]]


def run(source: str, output: str, rows: str) -> dict[str, Any]:
    """`rows` are read `joined`, or from the `official` files, annotations looked up by question."""
    datasets.disable_progress_bars()
    if rows == "joined":
        questions, make = _load(output, f"{source}/{JOINED}"), of_joined
    else:
        questions = _load(output, f"{source}/vqav2/{QUESTIONS}", "questions")
        annotations = _load(output, f"{source}/vqav2/{ANNOTATIONS}", "annotations")
        places = {key: place for place, key in enumerate(annotations["question_id"])}
        make = partial(of_official, annotations=annotations, places=places)
    records = questions.map(
        make,
        batched=True,
        remove_columns=questions.column_names,
        features=datasets.Features.from_arrow_schema(SCHEMA),
        new_fingerprint="records",
    )
    records.to_parquet(f"{output}/train.parquet")
    return {}


def _load(output: str, path: str, member: str | None = None) -> datasets.Dataset:
    return datasets.load_dataset(
        "json", data_files=path, field=member, split="train", cache_dir=f"{output}/cache"
    )


def of_joined(batch: Batch) -> Batch:
    rows = _rows(batch)
    return _columns([record_of(joined(row, row)) for row in rows])


def of_official(batch: Batch, annotations: datasets.Dataset, places: dict[int, int]) -> Batch:
    found = _rows(annotations[[places[key] for key in batch["question_id"]]])
    return _columns([record_of(joined(*each)) for each in zip(_rows(batch), found, strict=True)])


def _rows(batch: Batch) -> list[dict[str, Any]]:
    return [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]


def _columns(records: list[dict[str, Any]]) -> Batch:
    return {name: [record[name] for record in records] for name in SCHEMA.names}
