"""Rows of folders of images: sorted into classes, or described by a metadata file."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from datagen.errors import RawDataError, Reason, RowRejectedError
from datagen.files import Files
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition, media_folder
from datagen.sources.declared.paths import PathRules
from datagen.sources.declared.readers.columnar import parquet_rows
from datagen.sources.declared.readers.data_file import (
    METADATA,
    DataFile,
    format_of,
    is_image_name,
    metadata_files,
    printable,
    walk,
)
from datagen.sources.declared.readers.json_rows import line_rows
from datagen.sources.declared.readers.tables import table_rows
from datagen.sources.declared.row import Place, Problem, RawRow

FILE_NAME = "file_name"
FILE_NAMES = "file_names"
"""The columns of a metadata file that name the image, or a list of images."""


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
            name = printable(name)
            message = f"{name} is no image, by its name"
            report(Problem(Place(name), "count", "not_an_image", message))
        elif len(below) == 1:
            name = printable(name)
            message = f"{name} lies beside the folders of classes and has no label"
            report(Problem(Place(name), "warn", "no_label", message))
        else:
            filled.add(below[0])
            value: dict[str, Any] | Rejected
            value = {"image": _from_root(path, definition), "label": below[0]}
            if printable(name) != name:
                message = f"the name of the file {printable(name)} is not utf-8; rename it"
                value = Rejected(Reason.INVALID_ENCODING, message)
            yield RawRow(Place(printable(name)), value, printable(name))
    for label in classes:
        if label not in filled:
            label = printable(label)
            place = Place(os.path.join(data_file.name, label))
            report(Problem(place, "warn", "empty_class", f"the class {label!r} has no images"))


def _from_root(path: str, definition: Definition) -> str:
    return os.path.relpath(path, media_folder(definition, definition.images))


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
            f"{data_file.name} holds no {', '.join(METADATA[:-1])} or {METADATA[-1]}"
        )
    readers = {"csv": table_rows, "jsonl": line_rows, "parquet": parquet_rows}
    described: set[str] = set()
    root = media_folder(definition, definition.images)
    rules = PathRules("images", definition.images, root)

    def place_of(image: Any, folder: str) -> Any:
        """Return the path of an image from the root of images; what is no path comes as it is."""
        if not isinstance(image, str) or not image:
            return image
        if not os.path.isabs(image) and "://" not in image:
            image = _from_root(os.path.normpath(os.path.join(folder, image)), definition)
        with suppress(RowRejectedError):  # the row says so later
            described.add(os.path.abspath(os.path.join(root, rules.relative(image))))
        return image

    for path in found:
        kind = format_of(path)
        assert kind is not None
        name = os.path.relpath(path, definition.base)
        metadata = replace(data_file, path=path, name=name, format=kind)
        folder = os.path.dirname(path)
        for row in readers[kind](files, metadata, definition, report):
            if isinstance(row.value, Rejected):
                yield row
                continue
            column = FILE_NAME if FILE_NAME in row.value else FILE_NAMES
            if column not in row.value:
                yield RawRow(row.place, _without_name(name, kind, row.value), row.text)
                continue
            found_names = row.value[column]
            image: Any = [
                place_of(each, folder)
                for each in (found_names if isinstance(found_names, list) else [found_names])
            ]
            image = image if isinstance(found_names, list) else image[0]
            yield RawRow(row.place, {**row.value, "image": image}, row.text)
    for path in walk(data_file.path):
        if is_image_name(path) and os.path.abspath(path) not in described:
            name = printable(os.path.relpath(path, definition.base))
            message = f"no row of a metadata file names {name}"
            report(Problem(Place(name), "warn", "image_without_row", message))


def _without_name(name: str, kind: str, value: Mapping[str, Any]) -> Rejected:
    """Return the rejection of a JSON line without `file_name`.

    Raises:
        RawDataError: no row of the table can have one.
    """
    message = f"no column {FILE_NAME!r} but {', '.join(value)}"
    if kind != "jsonl":
        raise RawDataError(f"{name} has {message}; {FILE_NAME} names the image of a row")
    return Rejected(Reason.MALFORMED_ROW, message)
