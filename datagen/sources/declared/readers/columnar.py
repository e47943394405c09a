"""Rows of Parquet files and of data sets that `datasets` saved."""

import datetime
import decimal
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.errors import RawDataError, Reason
from datagen.files import Files
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.readers.files import DataFile
from datagen.sources.declared.row import Place, Problem, RawRow, Value

BATCH_BYTES = 32 << 20
MAX_BATCH_ROWS = 4_096


def parquet_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield the rows of a Parquet file, a few at a time where they are large.

    Raises:
        RawDataError: the file is no Parquet file, or is cut off.
    """
    number = 0
    with files.open_binary(data_file.path) as file:
        try:
            parquet = pq.ParquetFile(file)
        except (pa.ArrowException, OSError) as error:
            raise RawDataError(
                f"{data_file.name} is no Parquet file: {_first_line(error)}"
            ) from None
        convert = _Converter(parquet.schema_arrow)
        metadata = parquet.metadata
        groups = [metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)]
        average = sum(groups) // max(metadata.num_rows, 1) + 1
        rows = max(1, min(MAX_BATCH_ROWS, BATCH_BYTES // average))
        try:
            for batch in parquet.iter_batches(batch_size=rows):
                for value in convert.rows(batch):
                    number += 1
                    yield RawRow(Place(data_file.name, number), value)
        except (pa.ArrowException, OSError) as error:
            message = f"{data_file.name} cannot be read after row {number}: {_first_line(error)}"
            yield RawRow(Place(data_file.name), Rejected(Reason.TRUNCATED_FILE, message))


def saved_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield the rows of one split of a folder that `datasets` saved (`save_to_disk`).

    Raises:
        RawDataError: the folder lacks a file that its state names.
    """
    folder = data_file.path
    try:
        with open(os.path.join(folder, "state.json"), encoding="utf-8") as file:
            parts = [each["filename"] for each in json.load(file)["_data_files"]]
    except (OSError, ValueError, KeyError) as error:
        raise RawDataError(f"{folder} is not a saved data set: {error}") from None
    number = 0
    for part in parts:
        path = os.path.join(folder, part)
        try:
            with pa.memory_map(path) as source, pa.ipc.open_stream(source) as stream:
                convert = _Converter(stream.schema)
                for batch in stream:
                    step = max(1, BATCH_BYTES // (batch.nbytes // max(batch.num_rows, 1) + 1))
                    for start in range(0, batch.num_rows, step):
                        for value in convert.rows(batch.slice(start, step)):
                            number += 1
                            yield RawRow(
                                Place(data_file.name, number, split=data_file.split), value
                            )
        except (OSError, pa.ArrowException) as error:
            message = f"{path} cannot be read after row {number}: {_first_line(error)}"
            place = Place(data_file.name, split=data_file.split)
            yield RawRow(place, Rejected(Reason.TRUNCATED_FILE, message))


class _Converter:
    """Turns record batches into rows of plain values; a label of the Hub is its name, not its number."""

    def __init__(self, schema: pa.Schema) -> None:
        self._labels: dict[str, list[str]] = {}
        metadata = schema.metadata or {}
        try:
            features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        except (ValueError, KeyError, TypeError):
            features = {}
        for name, feature in features.items():
            if isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel":
                self._labels[name] = list(feature.get("names") or ())

    def rows(self, batch: pa.RecordBatch) -> Iterator[Value]:
        for row in batch.to_pylist():
            yield {name: self._value(name, value) for name, value in row.items()}

    def _value(self, name: str, value: Any) -> Any:
        names = self._labels.get(name)
        if names is not None and isinstance(value, int):
            return names[value] if 0 <= value < len(names) else None
        return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return value


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
