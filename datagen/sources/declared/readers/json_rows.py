"""Rows of JSON lines and of JSON documents."""

import codecs
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from tempfile import NamedTemporaryFile
from typing import Any

from datagen.errors import RawDataError, Reason
from datagen.files import Files, LocalFiles
from datagen.raw.gather import open_raw
from datagen.raw.json_index import Container, index_json
from datagen.raw.rows import WindowRows, decode_row
from datagen.schema.adapter import JsonPath, Rejected
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.json_keys import may_repeat_keys, repeated_key
from datagen.sources.declared.readers.data_file import DataFile
from datagen.sources.declared.readers.streams import (
    BROKEN_GZIP,
    Lines,
    TextFormat,
    cut_off,
    open_stream,
    shown,
    text_format,
    zero_byte,
)
from datagen.sources.declared.row import MAX_TEXT, Place, Problem, RawRow

KEY_COLUMN = "__key__"
"""The column with the name of a row, where rows are the members of an object."""
VALUE_COLUMN = "value"
"""The column with a member that is no object: `{"a.jpg": ["a caption", "another"]}`."""

_SPACE = b" \t\r\n"
_RECODED_CHARS = 1 << 20


def line_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield the rows of JSON lines; a file that holds one JSON list is read as that.

    Raises:
        RawDataError: the file is in another encoding.
    """
    form = text_format(files, data_file.path, data_file.name, definition.format.encoding)
    if form.begins_with("["):
        yield from _document_rows(files, data_file, definition, form)
    else:
        yield from _line_rows(files, data_file, form)


def _line_rows(files: Files, data_file: DataFile, form: TextFormat) -> Iterator[RawRow]:
    name = data_file.name
    row = line = 0
    try:
        with open_stream(files, data_file.path) as file:
            lines = Lines(file, name, form)
            for line, text in enumerate(lines.encoded(), 1):
                stripped = text.strip(_SPACE)
                if not stripped:
                    continue
                row += 1
                value = _object(stripped)
                if isinstance(value, Rejected):
                    value = _wrong_byte(text, lines) or value
                yield RawRow(Place(name, row, line), value, _shown(stripped))
    except BROKEN_GZIP as error:
        yield RawRow(Place(name), cut_off(name, row, error))
    except UnicodeError as error:
        yield RawRow(Place(name, row + 1, line + 1), Rejected(Reason.INVALID_ENCODING, str(error)))


def _wrong_byte(line: bytes, lines: Lines) -> Rejected | None:
    text = lines.text_of(line)
    return lines.wrong_byte(text, lines.offset - len(lines.bytes_of(text)))


def _object(text: bytes) -> Any:
    value = decode_row(text, Any)
    if isinstance(value, dict):
        return repeated_key(text, value) or value if 0 not in text else zero_byte(text)
    if isinstance(value, Rejected):
        if text.endswith(b",") and isinstance(decode_row(text[:-1], Any), dict):
            message = "a comma behind the object; remove it: each line is a row of its own"
            return Rejected(Reason.MALFORMED_ROW, message)
        return value
    return _no_object(value)


def _no_object(value: Any) -> Rejected:
    return Rejected(Reason.MALFORMED_ROW, f"the row is no object but {_kind(value)}")


def _kind(value: Any) -> str:
    names = {
        list: "a list",
        dict: "an object",
        str: "a text",
        bool: "a truth value",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _shown(text: bytes) -> str:
    return text[:MAX_TEXT].decode(errors="backslashreplace")


def document_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield the rows of a JSON document: the items of the list, or the members of the object, at `rows`.

    A file that holds JSON lines under the name of a document is read as these.

    Raises:
        RawDataError: the file is no JSON, is cut off, or has nothing at `rows`.
    """
    form = text_format(files, data_file.path, data_file.name, definition.format.encoding)
    if definition.rows is None and _holds_lines(form.head):
        yield from _line_rows(files, data_file, form)
    else:
        yield from _document_rows(files, data_file, definition, form)


def _holds_lines(head: str) -> bool:
    """Return True if a file begins with a JSON object on one line, and another on a line behind it."""
    first, _, rest = head.lstrip("\ufeff \t\r\n").partition("\n")
    if not first.startswith("{") or not rest.lstrip().startswith("{"):
        return False
    with suppress(ValueError, RecursionError):
        return isinstance(json.loads(first), dict)
    return False


def _document_rows(
    files: Files, data_file: DataFile, definition: Definition, form: TextFormat
) -> Iterator[RawRow]:
    path, name = data_file.path, data_file.name
    keyed = KEY_COLUMN in definition.columns.model_dump_json()
    if form.codec == "utf-8":
        yield from _rows_at(files, path, name, definition.rows, keyed)
        return
    with NamedTemporaryFile(prefix="visinstruct-", suffix=".json") as recoded:
        _recode(files, path, name, form, recoded)
        recoded.flush()
        yield from _rows_at(LocalFiles(), recoded.name, name, definition.rows, keyed)


def _recode(files: Files, path: str, name: str, form: TextFormat, recoded: Any) -> None:
    """Write a document in UTF-8.

    Raises:
        RawDataError: it is not in the declared encoding.
    """
    decoder = codecs.getincrementaldecoder(form.codec)("strict")
    offset = form.bom_bytes
    with open_raw(files, path) as file:
        file.seek(offset)
        while True:
            data = file.read(_RECODED_CHARS)
            waiting = len(decoder.getstate()[0])
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                at = offset - waiting + error.start
                raise RawDataError(
                    f"{name} is not in {form.codec}: byte {error.object[error.start]:#04x} at "
                    f"offset {at}: {error.reason}; say which encoding it has: "
                    "format: {encoding: ...}"
                ) from None
            recoded.write(text.encode("utf-8", "surrogatepass"))
            offset += len(data)
            if not data:
                return


def _rows_at(files: Files, path: str, name: str, rows: str | None, keyed: bool) -> Iterator[RawRow]:
    """Yield the rows at a place; with `keyed`, members that are no objects are rows with a `value`."""
    parts: JsonPath = tuple(rows.removesuffix("[]").split(".")) if rows else ()
    try:
        with open_raw(files, path) as file:
            container = index_json(file, name, [parts]).containers[parts]
    except RawDataError as error:
        text = str(error).replace("; download it again", "").replace(path, name)
        text = text.removesuffix("; is it another dataset's file?")
        hint = "" if rows else "; if its rows lie deeper, say where: rows: data.items"
        if "has text after its end" in text:
            hint = "; if each line is a row, give format: {type: jsonl}"
        elif text.endswith("but no members"):
            hint = "; if the document is one list, leave out `rows`"
        raise RawDataError(text + hint) from None
    pointer = "".join(f"/{_escaped(part)}" for part in parts)
    number = 0
    for window in container.windows:
        found = WindowRows(files, path, container.kind, window, Any)
        if number == 0 and rows is None and not keyed:
            _check_members(found, container, name)
        data = bytes(found.data)
        is_doubtful = 0 in data or may_repeat_keys(data, found.values, found.keys)
        for index, value in enumerate(found.values):
            key = found.key(index)
            at = number if key is None else _escaped(key)
            number += 1
            text = ""
            if is_doubtful and isinstance(value, dict):
                raw = bytes(found.rows[index].raw)
                value = zero_byte(raw) or repeated_key(raw, value) or value
            if keyed and key is not None and not isinstance(value, dict | Rejected):
                value = {VALUE_COLUMN: value}
            if isinstance(value, dict):
                if key is not None:
                    value = {KEY_COLUMN: key, **value}
            else:
                if isinstance(value, Rejected):
                    value = _with_offset(value, found, index)
                else:
                    value = _no_object(value)
                text = shown(found.text(index)[:MAX_TEXT])
            yield RawRow(Place(name, number, pointer=f"{pointer}/{at}"), value, text)


def _with_offset(value: Rejected, found: WindowRows, index: int) -> Rejected:
    if value.reason is not Reason.INVALID_ENCODING:
        return value
    row = found.rows[index]
    raw = bytes(row.raw)
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return Rejected(
            value.reason,
            f"not utf-8: byte {raw[error.start]:#04x} at offset {row.start + error.start}; if the "
            "file is in another encoding, say which: format: {encoding: cp1252}",
        )
    return value


def _check_members(found: WindowRows, container: Container, name: str) -> None:
    """Refuse a document whose members are no rows, because its rows lie deeper.

    Raises:
        RawDataError: it is one.
    """
    if container.kind != "object":
        return
    kinds = {str(found.key(i)): _kind(value) for i, value in enumerate(found.values)}
    lists = [key for key, kind in kinds.items() if kind == "a list"]
    others = [kind for kind in kinds.values() if kind != "an object"]
    if not kinds or 2 * len(others) < len(kinds):
        return
    members = ", ".join(f"{key!r} ({kind})" for key, kind in list(kinds.items())[:8])
    where = lists[0] if lists else "data.items"
    raise RawDataError(
        f"{name} is one object, whose members are no rows: {members}; say where its rows are: "
        f"rows: {where}; or, if each is a row, name its key and value in columns: __key__ and value"
    )


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


__all__ = ["KEY_COLUMN", "document_rows", "line_rows"]
