"""Rows of folders of images: sorted into classes, or described by a metadata file."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from datagen.errors import RawDataError
from datagen.files import Files
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition, FormatName
from datagen.sources.declared.readers.columnar import parquet_rows
from datagen.sources.declared.readers.files import (
    DataFile,
    is_image_name,
    metadata_files,
    walk,
)
from datagen.sources.declared.readers.json_rows import line_rows
from datagen.sources.declared.readers.tables import table_rows
from datagen.sources.declared.row import Place, Problem, RawRow


def class_folder_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield a row for each image: `image`, and the `label`, which is the first folder on the way to it."""
    root = data_file.path
    classes = sorted(
        entry.name
        for entry in os.scandir(root)
        if entry.is_dir() and not entry.name.startswith(".")
    )
    filled = set()
    for path in walk(root):
        name = os.path.relpath(path, definition.base)
        below = os.path.relpath(path, root).split(os.sep)
        if not is_image_name(path):
            report(
                Problem(Place(name), "count", "not_an_image", f"{name} is no image, by its name")
            )
        elif len(below) == 1:
            message = f"{name} lies beside the folders of classes and has no label"
            report(Problem(Place(name), "warn", "no_label", message))
        else:
            filled.add(below[0])
            image = os.path.relpath(path, _root(definition))
            yield RawRow(Place(name), {"image": image, "label": below[0]}, name)
    for label in classes:
        if label not in filled:
            place = Place(os.path.join(data_file.name, label))
            report(Problem(place, "warn", "empty_class", f"the class {label!r} has no images"))


def _root(definition: Definition) -> str:
    return os.path.join(definition.base, definition.images.root)


def image_folder_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield the rows of the metadata files in a folder, each with the path of its `image`.

    Raises:
        RawDataError: there is no metadata file, or one has no column `file_name`.
    """
    found = metadata_files(data_file.path)
    if not found:
        raise RawDataError(
            f"{data_file.name} holds no metadata.csv, metadata.jsonl or metadata.parquet"
        )
    described = set()
    formats: dict[str, FormatName] = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
    readers = {"csv": table_rows, "jsonl": line_rows, "parquet": parquet_rows}
    for path in found:
        kind = formats[os.path.splitext(path)[1]]
        name = os.path.relpath(path, definition.base)
        metadata = replace(data_file, path=path, name=name, format=kind)
        folder = os.path.dirname(path)
        known = False
        for row in readers[kind](files, metadata, definition, report):
            if isinstance(row.value, Rejected):
                yield row
                continue
            file_name = row.value.get("file_name")
            known = known or "file_name" in row.value
            if not isinstance(file_name, str) or not file_name:
                yield row if known else _refuse(name, list(row.value))
                continue
            image = os.path.normpath(os.path.join(folder, file_name))
            described.add(image)
            value = {**row.value, "image": os.path.relpath(image, _root(definition))}
            yield RawRow(row.place, value, row.text)
    for path in walk(data_file.path):
        if is_image_name(path) and path not in described:
            name = os.path.relpath(path, definition.base)
            message = f"no row of a metadata file names {name}"
            report(Problem(Place(name), "warn", "image_without_row", message))


def _refuse(name: str, columns: list[str]) -> RawRow:
    raise RawDataError(f"{name} has no column 'file_name' but {', '.join(columns)}")
