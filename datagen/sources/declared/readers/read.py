"""Reads the rows of a data file, whatever its format."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from datagen.files import Files
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition, FormatName
from datagen.sources.declared.readers import folders, json_rows, tables, tars
from datagen.sources.declared.readers.arrow_values import named_labels
from datagen.sources.declared.readers.columnar import arrow_rows, parquet_rows, saved_rows
from datagen.sources.declared.readers.data_file import DataFile
from datagen.sources.declared.readers.shards import missing_after
from datagen.sources.declared.row import Place, Problem, RawRow

Report: TypeAlias = Callable[[Problem], None]
Reader: TypeAlias = Callable[[Files, DataFile, Definition, Report], Iterator[RawRow]]

_READERS: Mapping[FormatName, Reader] = {
    "json": json_rows.document_rows,
    "jsonl": json_rows.line_rows,
    "csv": tables.table_rows,
    "tsv": tables.table_rows,
    "parquet": parquet_rows,
    "arrow": arrow_rows,
    "saved": saved_rows,
    "class_folders": folders.class_folder_rows,
    "imagefolder": folders.image_folder_rows,
    "webdataset": tars.sample_rows,
}


def read_rows(
    files: Files, definition: Definition, data_file: DataFile, report: Report
) -> Iterator[RawRow]:
    """Yield the rows of a data file in their order; `report` gets what concerns no row.

    Raises:
        RawDataError: nothing of the file can be used, and why.
    """
    for name in missing_after(files, data_file):
        message = f"the shard {name} is missing beside {data_file.name}"
        report(Problem(Place(name), "warn", "shard_missing", message))
    rows = _READERS[data_file.format](files, data_file, definition, report)
    features = data_file.features
    if not features:
        yield from rows
        return
    for row in rows:
        if isinstance(row.value, Rejected):
            yield row
        else:
            yield RawRow(row.place, named_labels(row.value, features), row.text)
