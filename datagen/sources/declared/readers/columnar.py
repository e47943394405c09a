"""Rows of Parquet and Arrow files and of data sets that `datasets` saved."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.errors import RawDataError, Reason
from datagen.files import Files, is_url
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.readers.arrow_values import RowConverter
from datagen.sources.declared.readers.data_file import DataFile
from datagen.sources.declared.row import Place, Problem, RawRow

BATCH_BYTES = 8 << 20
MAX_BATCH_ROWS = 4_096
STREAM_BYTES = 1 << 20
"""Bytes of a column of a store's file that are read at once: a row group of images may be larger than memory."""

_BROKEN = (pa.ArrowException, OSError)


def parquet_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield the rows of a Parquet file, a few at a time where they are large.

    Raises:
        RawDataError: the file is no Parquet file, or is cut off.
    """
    name = data_file.name
    number = 0
    with ExitStack() as stack:
        try:
            parquet = _open_parquet(files, data_file.path, stack)
        except _BROKEN as error:
            raise RawDataError(
                f"{name} is no Parquet file, or is cut off: {_first_line(error)}"
            ) from None
        convert = RowConverter(parquet.schema_arrow)
        metadata = parquet.metadata
        try:
            for group in range(metadata.num_row_groups):
                found = metadata.row_group(group)
                average = found.total_byte_size // max(found.num_rows, 1) + 1
                size = max(1, min(MAX_BATCH_ROWS, BATCH_BYTES // average))
                # Threads would decode the pages of the next column, or row group, meanwhile.
                for batch in parquet.iter_batches(size, row_groups=[group], use_threads=False):
                    for value in convert.rows(batch):
                        number += 1
                        yield RawRow(Place(name, number), value)
        except _BROKEN as error:
            yield RawRow(Place(name), _corrupt(name, number, error))


def _open_parquet(files: Files, path: str, stack: ExitStack) -> pq.ParquetFile:
    """Return a Parquet file for reading, mapped into memory where it is a local one.

    A page is decoded whole, and one that pyarrow wrote holds 1,024 images. Of a mapped file the pages that
    are not compressed are read where they lie, and of others there is one copy less.
    """
    if is_url(path):
        file = stack.enter_context(files.open_binary(path))
        return pq.ParquetFile(file, buffer_size=STREAM_BYTES, pre_buffer=False)
    mapped = stack.enter_context(pa.memory_map(path))
    return pq.ParquetFile(mapped, pre_buffer=False)


def arrow_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield the rows of one Arrow file, be it a stream or of the file format.

    Raises:
        RawDataError: the file is no Arrow file.
    """
    name = data_file.name
    number = 0
    with files.open_binary(data_file.path) as file:
        try:
            opened = _open_arrow(pa.PythonFile(file, mode="r"))
            schema = opened.schema
        except _BROKEN as error:
            raise RawDataError(f"{name} is no Arrow file: {_first_line(error)}") from None
        try:
            for value in _values(opened, RowConverter(schema)):
                number += 1
                yield RawRow(Place(name, number), value)
        except _BROKEN as error:
            yield RawRow(Place(name), _corrupt(name, number, error))


def saved_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield the rows of one split of a folder that `datasets` saved (`save_to_disk`).

    Raises:
        RawDataError: the folder lacks a file that its state names.
    """
    folder, name, split = data_file.path, data_file.name, data_file.split
    parts = _parts(folder, name)
    features = _features(folder)
    number = 0
    for part in parts:
        try:
            with pa.memory_map(os.path.join(folder, part)) as source:
                opened = _open_arrow(source)
                for value in _values(opened, RowConverter(opened.schema, features)):
                    number += 1
                    yield RawRow(Place(name, number, split=split), value)
        except _BROKEN as error:
            yield RawRow(
                Place(name, split=split), _corrupt(os.path.join(name, part), number, error)
            )


def _parts(folder: str, name: str) -> list[str]:
    """Return the Arrow files of a saved split.

    Raises:
        RawDataError: the split, or one of them, is missing.
    """
    try:
        with open(os.path.join(folder, "state.json"), encoding="utf-8") as file:
            parts = [str(each["filename"]) for each in json.load(file)["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RawDataError(
            f"{name} is not a data set saved with save_to_disk: its state.json cannot be read "
            f"({_first_line(error)}); copy the folder whole"
        ) from None
    missing = [part for part in parts if not os.path.isfile(os.path.join(folder, part))]
    if missing:
        raise RawDataError(
            f"{name} lacks {len(missing)} of its {len(parts)} files; first: {missing[0]}; copy the "
            "folder whole"
        )
    return parts


def _features(folder: str) -> Mapping[str, Any]:
    try:
        with open(os.path.join(folder, "dataset_info.json"), encoding="utf-8") as file:
            features = json.load(file)["features"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _open_arrow(source: Any) -> Any:
    try:
        return pa.ipc.open_stream(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return _Batches(pa.ipc.open_file(source))


class _Batches:
    """An Arrow file of the file format, read like a stream."""

    def __init__(self, reader: pa.RecordBatchFileReader) -> None:
        self._reader, self.schema = reader, reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return map(self._reader.get_batch, range(self._reader.num_record_batches))


def _values(opened: Any, convert: RowConverter) -> Iterator[dict[str, Any]]:
    for batch in opened:
        step = max(1, BATCH_BYTES // (batch.nbytes // max(batch.num_rows, 1) + 1))
        for start in range(0, batch.num_rows, min(step, MAX_BATCH_ROWS)):
            yield from convert.rows(batch.slice(start, min(step, MAX_BATCH_ROWS)))


def _corrupt(name: str, row: int, error: BaseException) -> Rejected:
    return Rejected(
        Reason.TRUNCATED_FILE,
        f"{name} is cut off or corrupt after row {row}: {_first_line(error)}; the rows before are "
        "used",
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
