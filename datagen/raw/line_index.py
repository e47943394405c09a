"""Finds the rows of JSON lines, CSV and plain text files in bounded memory, as `json_index` does in documents.

A CSV record may hold line breaks inside quotes; a quote that is never closed costs its own line only.
"""

import csv
import re
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

import msgspec

from datagen.errors import RawDataError, Reason
from datagen.raw.forward_reader import DEFAULT_WINDOW_BYTES, SPACE, ForwardReader
from datagen.raw.json_index import Container, JsonIndex, Row, Window, index_json
from datagen.schema.adapter import Kind, Rejected

MAX_LINE_BYTES = 16 << 20
MAX_HEADER_BYTES = 1 << 16
_CELL = rb'(?:"(?:[^"]|"")*+"[^,\n]*+|[^",\n][^,\n]*+)?+'
_RECORD = re.compile(_CELL + rb"(?:," + _CELL + rb")*+(?:\n|\Z)")


def index_lines(
    file: BinaryIO, name: str, kind: Kind, window_bytes: int = DEFAULT_WINDOW_BYTES
) -> JsonIndex:
    """Index a file of `kind` lines, csv or text; its rows are the container at path `()`.

    A JSON array in place of JSON lines is taken too.

    Raises:
        RawDataError: the file is empty, or holds no rows of this kind.
    """
    reader = ForwardReader(file, name, window_bytes)
    first = reader.peek()
    if kind == "lines" and first == ord("["):
        file.seek(0)
        return index_json(file, name, [()], window_bytes)
    if kind == "lines" and first != ord("{"):
        raise reader.error(f"has no JSON objects, one a line, but {chr(first)!r}")
    if kind == "text":  # whose first line may begin with spaces, which `peek` steps over
        file.seek(0)
        reader = ForwardReader(file, name, window_bytes)
    start = reader.offset()
    if kind == "csv":
        reader.fill(MAX_HEADER_BYTES)
        reader.position += _header_length(reader.buffer, reader.position)
    windows = tuple(_windows(reader, kind))
    container = Container(kind, start, reader.offset(), windows)
    return JsonIndex(reader.num_bytes, reader.digest.hexdigest(), {(): container})


def _windows(reader: ForwardReader, kind: Kind) -> Iterator[Window]:
    size = reader.window_bytes
    while True:
        reader.fill(size)
        text = reader.buffer[reader.position :]
        if not text:
            return
        length = len(text) if reader.at_end else _whole_lines(text, kind)
        if not length and size < MAX_LINE_BYTES:
            size *= 2
            continue
        if not length:
            length = text.find(b"\n") + 1
            if not length:
                raise reader.error(f"has a line of more than {MAX_LINE_BYTES} bytes")
        rows = len(split_lines(text[:length], kind))
        if rows:
            yield Window(reader.offset(), reader.offset() + length, rows)
        reader.position += length
        size = reader.window_bytes


def _whole_lines(text: bytes, kind: Kind) -> int:
    """Length of the whole rows that `text`, to be continued, begins with."""
    if kind in ("lines", "text"):
        return text.rfind(b"\n") + 1
    end = 0
    while (match := _RECORD.match(text, end)) is not None and match.end() < len(text):
        end = match.end()
    return end


def split_lines(data: bytes, kind: Kind, start: int = 0) -> list[Row]:
    """The rows of a window's bytes, blank lines left out; `start` is the file offset of `data`."""
    rows = []
    end = 0
    while end < len(data):
        begin = end
        match = _RECORD.match(data, begin) if kind == "csv" else None
        end = match.end() if match is not None else data.find(b"\n", begin) + 1 or len(data)
        text = data[begin:end]
        line = text.strip(SPACE) if kind == "lines" else text.strip(b"\r\n")
        if line.strip(SPACE):
            rows.append(Row(start + begin + text.index(line), line))
    return rows


def read_header(file: BinaryIO) -> list[str]:
    """The column names of a CSV file.

    Raises:
        UnicodeDecodeError: they are not UTF-8.
        csv.Error: a quote is not closed.
    """
    file.seek(0)
    text = file.read(MAX_HEADER_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip(SPACE)
    return [name.strip() for name in _cells(text[: _header_length(text, 0)])]


def decode_text(line: bytes) -> Any:
    """One line of text, or a `Rejected`."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        return Rejected(Reason.INVALID_ENCODING, f"not UTF-8: {error.reason}")


def _header_length(text: bytes, position: int) -> int:
    match = _RECORD.match(text, position)
    end = match.end() if match is not None else text.find(b"\n", position) + 1 or len(text)
    return end - position


def _cells(record: bytes) -> list[str]:
    return next(csv.reader([record.decode()], strict=True), [])


def check_columns(file: BinaryIO, name: str, row_types: Collection[Any]) -> None:
    """Refuse a CSV file that lacks a column which one of `row_types` needs.

    Raises:
        RawDataError: names the columns.
    """
    try:
        header = read_header(file)
    except (UnicodeDecodeError, csv.Error):
        raise RawDataError(f"{name} does not begin with column names; download it again") from None
    fields = [field for row_type in row_types for field in msgspec.structs.fields(row_type)]
    needed = [field.encode_name for field in fields if field.required]
    lacking = [column for column in needed if column not in header]
    if lacking:
        raise RawDataError(
            f"{name} has no column {', '.join(map(repr, lacking))} but {', '.join(header)}; is it "
            "another dataset's file?"
        )


def decode_record(record: bytes, header: list[str], row_type: Any) -> Any:
    """One CSV record as `row_type`, or a `Rejected`; an empty cell is an absent value."""
    try:
        cells = _cells(record)
    except UnicodeDecodeError as error:
        return Rejected(Reason.INVALID_ENCODING, f"not UTF-8: {error.reason}")
    except csv.Error as error:
        return Rejected(Reason.MALFORMED_ROW, str(error))
    if len(cells) != len(header):
        return Rejected(Reason.MALFORMED_ROW, f"{len(cells)} cells for {len(header)} columns")
    row = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    try:
        return msgspec.convert(row, row_type, strict=False)
    except msgspec.ValidationError as error:
        return Rejected(Reason.MALFORMED_ROW, str(error))
