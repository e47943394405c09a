"""Rows of CSV, TSV and other files with one record a line; every cell is text, as it stands there."""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator

from datagen.errors import RawDataError, Reason
from datagen.files import Files
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition, Format
from datagen.sources.declared.readers.data_file import DataFile
from datagen.sources.declared.readers.streams import (
    BROKEN_GZIP,
    MAX_LINE_BYTES,
    Lines,
    cut_off,
    open_stream,
    shown,
    text_format,
    zero_byte,
)
from datagen.sources.declared.row import Place, Problem, RawRow

MAX_QUOTED_CHARS = 4 << 20
"""A record of several lines is at most as long: a quote that is never closed is noticed after that."""

_EXCEL_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_DELIMITERS = ";\t|,"


class _UnclosedError(Exception):
    """A record goes on for too long."""


class _Records:
    """Records of cells out of lines. A quote that is never closed costs its own line only."""

    def __init__(self, lines: Lines, delimiter: str, quote: str) -> None:
        self._lines, self._texts, self._again = lines, lines.texts(), deque[str]()
        self.delimiter, self._quote = delimiter, quote
        self.line = 0  # the last that was taken
        self.begin = 1  # the line on which the last record began
        self.taken: list[str] = []  # the lines of the last record
        self._num_chars = 0

    def _source(self) -> Iterator[str]:
        """Yield lines, those first that are read again."""
        while True:
            if self._again:
                text = self._again.popleft()
            else:
                try:
                    text = next(self._texts)
                except StopIteration:
                    return
            self.line += 1
            if self.taken:
                self._num_chars += len(text)
                if self._num_chars > MAX_QUOTED_CHARS:
                    self.taken.append(text)
                    raise _UnclosedError
            self.taken.append(text)
            yield text

    def first_line(self) -> str:
        """Return the first line, which is still to be read."""
        text = next(self._texts, "")
        if text:
            self._again.append(text)
        return text

    def pass_over_line(self) -> None:
        self._again.popleft()
        self.line += 1

    def offset(self) -> int:
        """Return the place of the last record's first byte in the file as it lies, unpacked."""
        read = [*self.taken, *self._again]
        return self._lines.offset - sum(len(self._lines.bytes_of(text)) for text in read)

    def wrong_byte(self) -> Rejected | None:
        return self._lines.wrong_byte("".join(self.taken), self.offset())

    def __iter__(self) -> Iterator[list[str] | Rejected]:
        reader = self._reader()
        while True:
            self.begin, self.taken, self._num_chars = self.line + 1, [], 0
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _UnclosedError) as error:
                yield self._only_its_first_line(error)
                reader = self._reader()
                continue
            if not cells or (len(cells) == 1 and not cells[0].strip() and not self.taken[1:]):
                continue  # a blank line
            yield cells

    def _only_its_first_line(self, error: Exception) -> Rejected:
        rest = self.taken[1:]
        self._again.extendleft(reversed(rest))
        self.line -= len(rest)
        del self.taken[1:]
        text = str(error)
        if "field limit" in text:
            text = f"a cell of more than {MAX_LINE_BYTES:,} characters"
        elif isinstance(error, _UnclosedError) or "unexpected end" in text:
            text = 'a quote is opened and never closed; if quotes are plain text, give format: {quote: ""}'
        return Rejected(Reason.MALFORMED_ROW, text)

    def _reader(self) -> "Iterator[list[str]]":
        csv.field_size_limit(MAX_LINE_BYTES)
        if self._quote:
            return csv.reader(
                self._source(), delimiter=self.delimiter, quotechar=self._quote, strict=True
            )
        return csv.reader(self._source(), delimiter=self.delimiter, quoting=csv.QUOTE_NONE)


def table_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield the records behind the header.

    Raises:
        RawDataError: there is no header, it names a column twice, the delimiter is another one, or the
            file is in another encoding.
    """
    name, declared = data_file.name, definition.format
    row = 0
    records = None
    try:
        form = text_format(files, data_file.path, name, declared.encoding)
        with open_stream(files, data_file.path) as file:
            delimiter = declared.delimiter or ("\t" if data_file.format == "tsv" else ",")
            records = _Records(Lines(file, name, form), delimiter, declared.quote)
            separator = _EXCEL_SEPARATOR.fullmatch(records.first_line())
            if separator is not None:
                records.pass_over_line()
                records.delimiter = declared.delimiter or separator[1]
            found = iter(records)
            header = declared.header or _header(next(found, None), records, name, declared)
            num_columns = len(header)
            join = declared.extra_cells == "join"
            for cells in found:
                row += 1
                text = "".join(records.taken) if len(records.taken) > 1 else records.taken[0]
                value: dict[str, str] | Rejected
                # isascii first: it is one flag, and isascii text needs no other check
                wrong = None if text.isascii() else _wrong_byte(text, records)
                if wrong is None and "\0" in text:
                    wrong = zero_byte(text)
                if wrong is not None:
                    value = wrong
                elif isinstance(cells, Rejected):
                    value = cells
                else:
                    if len(cells) > num_columns and join:
                        last = records.delimiter.join(cells[num_columns - 1 :])
                        cells = [*cells[: num_columns - 1], last]
                    if len(cells) == num_columns:
                        value = dict(zip(header, cells, strict=True))
                    else:
                        value = _miscounted(cells, header)
                text = text.rstrip("\r\n")
                place = Place(name, row, records.begin)
                yield RawRow(
                    place, value, text if wrong is None and len(text) < 500 else shown(text)
                )
    except BROKEN_GZIP as error:
        yield RawRow(Place(name), cut_off(name, row, error))
    except UnicodeError as error:
        line = 1 if records is None else records.line + 1
        yield RawRow(Place(name, row + 1, line), Rejected(Reason.INVALID_ENCODING, str(error)))


def _wrong_byte(text: str, records: _Records) -> Rejected | None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return records.wrong_byte()
    return None


def _miscounted(cells: list[str], header: list[str]) -> Rejected:
    num_columns = len(header)
    why = "a cell that holds the delimiter must be quoted" if len(cells) > num_columns else ""
    if header[0].startswith("#"):
        why = f"is the first line, which begins with {header[0][:80]!r}, a comment? then remove it"
    message = f"{len(cells)} cells for {num_columns} columns" + (f"; {why}" if why else "")
    return Rejected(Reason.MALFORMED_ROW, message)


def _header(
    cells: list[str] | Rejected | None, records: _Records, name: str, declared: Format
) -> list[str]:
    """Return the names of the columns, without blanks at their ends.

    Raises:
        RawDataError: the first record is no header.
    """
    if cells is None:
        raise RawDataError(f"{name} is empty: it has no header")
    wrong = records.wrong_byte()
    if wrong is not None:
        raise RawDataError(f"{name}: its header is {wrong.message}")
    if isinstance(cells, Rejected):
        raise RawDataError(f"{name}: its header cannot be read: {cells.message}")
    names = [cell.strip() for cell in cells]
    if len(names) == 1 and names[0].startswith("#"):
        raise RawDataError(
            f"{name} begins with {names[0][:200]!r}, which looks like a comment and not like the names of "
            "columns; remove that line"
        )
    if len(names) == 1:
        other = next((each for each in _DELIMITERS if each in names[0]), None)
        if other is not None and other != records.delimiter:
            raise RawDataError(
                f"{name} has one column {names[0][:200]!r}, parted by {other!r}? give "
                f'format: {{delimiter: "{other if other != chr(9) else chr(92) + "t"}"}}'
            )
    twice = sorted({each for each in names if each and names.count(each) > 1})
    if twice:
        raise RawDataError(
            f"{name} has two columns {', '.join(map(repr, twice))}; rename one, or name all columns with "
            "format: {header: [...]} after removing its own header"
        )
    return names
