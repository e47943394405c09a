"""Rows of CSV, TSV and other files with one record a line; every cell is text, as it stands there."""

import csv
from collections import deque
from collections.abc import Callable, Iterator

from datagen.errors import RawDataError, Reason
from datagen.files import Files
from datagen.schema.adapter import Rejected
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

MAX_CELL = 4 << 20
"""Characters of a cell; a quote that is never closed is noticed after as many."""


class _Records:
    """Records of cells out of lines. A quote that is never closed costs its own line only."""

    def __init__(self, lines: Iterator[bytes], delimiter: str, quote: str) -> None:
        self._lines, self._again = lines, deque[str]()
        self._delimiter, self._quote = delimiter, quote
        self.line = 0  # the last that was taken
        self.begin = 1  # the line on which the last record began
        self.offset = 0  # bytes before the record
        self._end = 0
        self.taken: list[str] = []

    def _next_line(self) -> str:
        if self._again:
            text = self._again.popleft()
        else:
            text = next(self._lines).decode("utf-8", "surrogateescape")
        self.line += 1
        self.taken.append(text)
        self._end += len(text.encode("utf-8", "surrogateescape"))
        return text

    def _source(self) -> Iterator[str]:
        while True:
            try:
                yield self._next_line()
            except StopIteration:
                return

    def __iter__(self) -> Iterator[list[str] | Rejected]:
        reader = self._reader()
        while True:
            self.begin, self.offset, self.taken = self.line + 1, self._end, []
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                first, rest = self.taken[0], self.taken[1:]
                self._again.extendleft(reversed(rest))
                self.line -= len(rest)
                self._end -= sum(len(each.encode("utf-8", "surrogateescape")) for each in rest)
                self.taken = [first]
                reader = self._reader()
                yield Rejected(Reason.MALFORMED_ROW, _why(error))
                continue
            if not cells or not any(text.strip() for text in self.taken):
                continue  # a blank line
            yield cells

    def _reader(self) -> "Iterator[list[str]]":
        csv.field_size_limit(MAX_CELL)
        if self._quote:
            return csv.reader(
                self._source(), delimiter=self._delimiter, quotechar=self._quote, strict=True
            )
        return csv.reader(self._source(), delimiter=self._delimiter, quoting=csv.QUOTE_NONE)


def _why(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text or "field limit" in text:
        return "a quote is opened and never closed"
    return text


def table_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield the records behind the header.

    Raises:
        RawDataError: there is no header, it names a column twice, or the file is in another encoding.
    """
    name, declared = data_file.name, definition.format
    delimiter = declared.delimiter or ("\t" if data_file.format == "tsv" else ",")
    row = 0
    records = None
    try:
        with open_stream(files, data_file.path) as file:
            head = file.read(512)
        codec = encoding_of(name, declared.encoding, head)
        with open_stream(files, data_file.path) as file:
            records = _Records(recoded_lines(file, name, codec), delimiter, declared.quote)
            found = iter(records)
            header = declared.header or _header(next(found, None), name)
            for cells in found:
                row += 1
                place = Place(name, row, records.begin)
                text = "".join(records.taken)[:MAX_TEXT].rstrip("\r\n")
                shown = text.encode("utf-8", "surrogateescape").decode(errors="backslashreplace")
                yield RawRow(place, _row(cells, header, records, definition), shown)
    except BROKEN_GZIP as error:
        message = f"{name} is cut off or corrupt after row {row}: {error}; the rows before are used"
        yield RawRow(Place(name), Rejected(Reason.TRUNCATED_FILE, message))
    except UnicodeError as error:
        line = 1 if records is None else records.line + 1
        yield RawRow(Place(name, row + 1, line), Rejected(Reason.INVALID_ENCODING, str(error)))


def _header(cells: list[str] | Rejected | None, name: str) -> list[str]:
    if cells is None or isinstance(cells, Rejected):
        raise RawDataError(
            f"{name} has no header; if it has none, name the columns: format: {{header: [...]}}"
        )
    names = [cell.strip() for cell in cells]
    twice = sorted({each for each in names if each and names.count(each) > 1})
    if twice:
        raise RawDataError(
            f"{name} has two columns {', '.join(map(repr, twice))}; rename one, or name all columns with "
            "format: {header: [...]}"
        )
    return names


def _row(
    cells: list[str] | Rejected, header: list[str], records: _Records, definition: Definition
) -> dict[str, str] | Rejected:
    if isinstance(cells, Rejected):
        return cells
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        raw = "".join(records.taken).encode("utf-8", "surrogateescape")
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            return Rejected(
                Reason.INVALID_ENCODING,
                f"not {definition.format.encoding}: byte {raw[error.start]:#04x} at offset "
                f"{records.offset + error.start}; if the file is in another encoding, give "
                "format: {encoding: cp1252}",
            )
    if len(cells) > len(header) and definition.format.extra_cells == "join":
        delimiter = definition.format.delimiter or ","
        cells = [*cells[: len(header) - 1], delimiter.join(cells[len(header) - 1 :])]
    if len(cells) != len(header):
        return Rejected(Reason.MALFORMED_ROW, f"{len(cells)} cells for {len(header)} columns")
    return dict(zip(header, cells, strict=True))
