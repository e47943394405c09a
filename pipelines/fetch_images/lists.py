"""Lists of URLs: publishers' JSON, users' CSV, JSON lines and Parquet, plain text."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from datagen.errors import RawDataError, RowRejectedError, nearest
from datagen.files import Files
from datagen.raw.gather import open_raw
from datagen.schema.adapter import Rejected
from datagen.sources.declared.columns import Column
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.paths import is_blank
from datagen.sources.declared.readers.data_file import DataFile, format_of
from datagen.sources.declared.readers.read import read_rows
from datagen.sources.declared.row import Problem, RawRow

FORMATS = ("json", "jsonl", "csv", "tsv", "parquet", "arrow")
URL_COLUMN = "url"
MAX_ROWS_WITHOUT_COLUMN = 1_000
_TEXT = ".txt"


@dataclass
class UrlList:
    """One list, read row by row."""

    files: Files
    path: str
    column: str = URL_COLUMN
    num_urls: int = 0
    _problems: Counter[str] = field(default_factory=Counter)
    _first: dict[str, str] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """Return how many rows gave no URL, for each reason, and the first of them."""
        name = os.path.basename(self.path)
        return [
            f"{name}: {count:,} rows {what}; first: {self._first[what]}"
            for what, count in self._problems.items()
        ]

    def urls(self) -> Iterator[str]:
        """Yield the URLs as the rows give them, repeated ones too.

        Raises:
            RawDataError: the file cannot be read, or its rows have no such column.
        """
        for url in self._lines() if self._is_text() else self._cells():
            self.num_urls += 1
            yield url

    def _is_text(self) -> bool:
        return self.path.lower().removesuffix(".gz").endswith(_TEXT)

    def _lines(self) -> Iterator[str]:
        """Yield the lines of a text file that are not blank."""
        with open_raw(self.files, self.path) as file:
            for number, line in enumerate(file, 1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError as error:
                    self._report("cannot be read", f"line {number} is not utf-8: {error.reason}")
                    continue
                if text:
                    yield text

    def _cells(self) -> Iterator[str]:
        column, seen, number = Column(self.column), False, 0
        for row in self._rows():
            if isinstance(row.value, Rejected):
                self._report("cannot be read", f"{row.place}: {row.value.message}")
                continue
            number += 1
            seen = seen or column.is_in(row.value)
            if not seen and number > MAX_ROWS_WITHOUT_COLUMN:
                break
            try:
                yield from self._of_value(column.get(row.value), row)
            except RowRejectedError as error:
                self._report("cannot be read", f"{row.place}: {error.message}")
            last = row.value
        if number and not seen:
            raise RawDataError(
                f"{self.path} has no column {self.column!r} but {', '.join(map(str, last))}"
                f"{nearest(self.column, map(str, last))}; --url-column names it"
            )

    def _rows(self) -> Iterator[RawRow]:
        kind = format_of(self.path)
        if kind not in FORMATS:
            raise RawDataError(
                f"{self.path}: the format of a list follows from its name, which ends in none of .json, "
                ".jsonl, .csv, .tsv, .parquet, .arrow, .txt (one URL a line), or these with .gz"
            )
        definition = Definition(name="list", task="caption", files=self.path)
        data_file = DataFile(self.path, os.path.basename(self.path), None, kind)
        return read_rows(self.files, definition, data_file, self._note)

    def _of_value(self, value: Any, row: RawRow) -> Iterator[str]:
        for each in value if isinstance(value, list) else [value]:
            if is_blank(each):
                self._report("have no URL", str(row.place))
            elif not isinstance(each, str) or not _is_utf8(each):
                self._report("cannot be read", f"{row.place}: {each!r:.100} is no URL")
            else:
                yield each

    def _note(self, problem: Problem) -> None:
        self._report("cannot be read", f"{problem.place}: {problem.message}")

    def _report(self, what: str, message: str) -> None:
        self._problems[what] += 1
        self._first.setdefault(what, message)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates
        return False
    return True
