"""Rows of JSON lines and of JSON documents."""

from collections.abc import Callable, Iterator
from tempfile import NamedTemporaryFile
from typing import Any

from datagen.errors import RawDataError, Reason
from datagen.files import Files, LocalFiles
from datagen.raw.gather import open_raw
from datagen.raw.json_index import index_json
from datagen.raw.rows import WindowRows, decode_row
from datagen.schema.adapter import JsonPath, Rejected
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.readers.files import DataFile
from datagen.sources.declared.readers.streams import (
    BROKEN_GZIP,
    MAX_TEXT,
    encoding_of,
    open_stream,
    recoded_lines,
)
from datagen.sources.declared.row import Place, Problem, RawRow

KEY_COLUMN = "__key__"
"""The column with the name of a row, where rows are the members of an object."""

_SPACE = b" \t\r\n"


def line_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield the rows of JSON lines; a comma behind an object is passed over.

    Raises:
        RawDataError: the file is in another encoding.
    """
    name = data_file.name
    row = line = 0
    try:
        with open_stream(files, data_file.path) as file:
            head = file.read(512)
        codec = encoding_of(name, definition.format.encoding, head)
        if head.removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)[:1] == b"[":
            yield from document_rows(files, data_file, definition, report)
            return
        with open_stream(files, data_file.path) as file:
            for line, text in enumerate(recoded_lines(file, name, codec), 1):
                stripped = text.strip(_SPACE)
                if not stripped:
                    continue
                row += 1
                place = Place(name, row, line)
                yield RawRow(place, _object(stripped.removesuffix(b",")), _shown(stripped))
    except BROKEN_GZIP as error:
        yield _cut(name, row, line, error)
    except UnicodeError as error:
        yield RawRow(Place(name, row + 1, line + 1), Rejected(Reason.INVALID_ENCODING, str(error)))


def _object(text: Any) -> Any:
    value = decode_row(text, Any)
    if isinstance(value, dict | Rejected):
        return value
    return Rejected(Reason.MALFORMED_ROW, f"the row is no object but {_kind(value)}")


def _kind(value: Any) -> str:
    names = {
        list: "a list",
        str: "a text",
        bool: "a truth value",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _shown(text: bytes) -> str:
    return text[:MAX_TEXT].decode(errors="backslashreplace")


def _cut(name: str, row: int, line: int, error: BaseException) -> RawRow:
    message = f"{name} is cut off or corrupt after row {row} (line {line}): {error}; the rows before are used"
    return RawRow(Place(name), Rejected(Reason.TRUNCATED_FILE, message))


def document_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield the rows of a JSON document: the items of the list, or the members of the object, at `rows`.

    Raises:
        RawDataError: the file is no JSON, is cut off, or has nothing at `rows`.
    """
    path, name = data_file.path, data_file.name
    with open_raw(files, path) as file:
        head = file.read(512)
    codec = encoding_of(name, definition.format.encoding, head)
    if codec == "utf-8-sig":
        yield from _document_rows(files, path, name, definition.rows)
        return
    with NamedTemporaryFile(suffix=".json") as recoded:
        with open_raw(files, path) as file:
            for line in recoded_lines(file, name, codec):
                recoded.write(line)
        recoded.flush()
        yield from _document_rows(LocalFiles(), recoded.name, name, definition.rows)


def _document_rows(files: Files, path: str, name: str, rows: str | None) -> Iterator[RawRow]:
    parts: JsonPath = tuple(rows.split(".")) if rows else ()
    try:
        with open_raw(files, path) as file:
            container = index_json(file, name, [parts]).containers[parts]
    except RawDataError as error:
        hint = "" if rows else "; if its rows lie deeper, say where: rows: data.items"
        raise RawDataError(
            f"{error}{hint}".replace("; is it another dataset's file?", "")
        ) from None
    pointer = "".join(f"/{_escaped(part)}" for part in parts)
    number = 0
    for window in container.windows:
        found = WindowRows(files, path, container.kind, window, Any)
        for index, value in enumerate(found.values):
            key = found.key(index)
            place = Place(
                name,
                number + 1,
                pointer=f"{pointer}/{_escaped(key) if key is not None else number}",
            )
            number += 1
            if not isinstance(value, dict | Rejected):
                value = Rejected(Reason.MALFORMED_ROW, f"the row is no object but {_kind(value)}")
            if key is not None and isinstance(value, dict):
                value = {KEY_COLUMN: key, **value}
            text = found.text(index)[:MAX_TEXT] if isinstance(value, Rejected) else ""
            yield RawRow(place, value, text)


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


__all__ = ["KEY_COLUMN", "document_rows", "line_rows"]
