"""Joins: rows of other files, found by a key, in bounded memory.

The rows of a joined file are stored by their keys, as text, before the first row of the source is mapped.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec

from datagen.errors import Reason, RowRejectedError
from datagen.files import Files
from datagen.schema.adapter import Rejected
from datagen.sources.declared.columns import Column
from datagen.sources.declared.definition import Definition, Join, joined_definition, joins_of
from datagen.sources.declared.readers.files import find_files
from datagen.sources.declared.readers.read import read_rows
from datagen.sources.declared.row import Place, Problem, RawRow, Value
from datagen.sources.declared.row_store import (
    MEMORY_BYTES,
    RowsInDatabase,
    RowsInMemory,
    RowStore,
    StoredRow,
)
from datagen.sources.declared.task_columns import given_columns
from datagen.sources.declared.values import key_of, shown

_ENCODE, _DECODE = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder()
_PLACES = msgspec.msgpack.Decoder(Place)

Report = Callable[[Problem], None]
ReadJoined = Callable[[Join], Iterable[RawRow]]


class Joins:
    """The joins of a definition. The joined files are read when the first row is joined.

    `report` receives what is wrong with them: rows that cannot be read, second rows of a key, and, from
    `finish`, rows that nothing was joined with.
    """

    def __init__(
        self,
        definition: Definition,
        files: Files,
        report: Report = lambda problem: None,
        read: ReadJoined | None = None,
    ) -> None:
        self._read = read or (lambda join: read_joined(definition, join, files, report))
        self._joins = [JoinedRows(join, definition, report) for join in joins_of(definition)]
        self._filled = False

    def joined(self, row: Value, place: Place) -> Value:
        """Return a row with one more column for each join: the row found, or the list of them.

        Raises:
            RowRejectedError: no row is found.
        """
        if not self._filled:
            for each in self._joins:
                each.fill(self._read(each.join))
            self._filled = True
        found = dict(row)
        for each in self._joins:
            found[each.name] = each.find(found, place)
        return found

    def finish(self) -> None:
        """Report the joined rows that no row asked for, and forget all."""
        for each in self._joins:
            each.finish()


class JoinedRows:
    """The rows of one joined file by their keys."""

    def __init__(self, join: Join, definition: Definition, report: Report) -> None:
        self.join, self.report = join, report
        self.name = join_name(join)
        left, right = (join.by, join.by) if isinstance(join.by, str) else (
            join.by["left"], join.by["right"],
        )  # fmt: skip
        self.left, self.right = Column(left), Column(right)
        self._in_own_file = join.file is None and join.hub is None
        self._orphans = _reason_of_orphans(self.name, definition)
        self._asked = bytearray()
        self._store: RowStore = RowsInMemory()

    def fill(self, rows: Iterable[RawRow]) -> None:
        """Take the rows of the joined file."""
        for row in rows:
            entry = self._entry(row)
            if entry is not None:
                self._store.add(entry)
                if isinstance(self._store, RowsInMemory) and self._store.num_bytes > MEMORY_BYTES:
                    self._store = _moved(self._store)
        number = self._store.seal()
        self._asked = bytearray(number // 8 + 1)
        if not self.join.many:
            self._report_duplicates()

    def find(self, row: Value, place: Place) -> Any:
        """Return the row that belongs to `row`, or the list of them.

        Raises:
            RowRejectedError: there is none, or the key is absent.
        """
        key = key_of(self.left.get(row), self.left.expression)
        if key is None:
            message = f"{self.left.expression}, by which {self.name} is joined, is empty"
            raise RowRejectedError(Reason.NO_ANNOTATION, message)
        file = place.file if self._in_own_file else ""
        found = self._store.find(file, key)
        for number, _ in found:
            self._asked[number >> 3] |= 1 << (number & 7)
        if not found:
            message = f"no row of {self.name} has {self.right.expression} {shown(key)}"
            raise RowRejectedError(Reason.NO_ANNOTATION, message)
        if self.join.many:
            return [_DECODE.decode(content) for _, content in found]
        return _DECODE.decode(found[0][1])

    def finish(self) -> None:
        """Report the rows that were not asked for, and close."""
        if self._orphans is not None:
            severity, reason = self._orphans
            for number, (_, key, place, content) in self._store.rows():
                if (
                    number >> 3 < len(self._asked)
                    and not self._asked[number >> 3] >> (number & 7) & 1
                ):
                    message = f"no row asks for {self.right.expression} {key} of {self.name}: {shown(_DECODE.decode(content))}"
                    self.report(Problem(_PLACES.decode(place), severity, reason, message))
        self._store.close()

    def _entry(self, row: RawRow) -> StoredRow | None:
        try:
            if isinstance(row.value, Rejected):
                raise RowRejectedError(row.value.reason, row.value.message)
            key = key_of(self.right.get(row.value), self.right.expression)
            if key is None:
                message = f"{self.right.expression}, by which it is found, is empty"
                raise RowRejectedError(Reason.MALFORMED_ROW, message)
            content = _ENCODE.encode(row.value)
        except RowRejectedError as error:
            self.report(Problem(row.place, "reject", error.reason, error.message))
            return None
        except UnicodeEncodeError:
            message = "a text holds half a surrogate pair"
            self.report(Problem(row.place, "reject", Reason.INVALID_ENCODING, message))
            return None
        file = row.place.file if self._in_own_file else ""
        return StoredRow(file, key, _ENCODE.encode(row.place), content)

    def _report_duplicates(self) -> None:
        for key, place in self._store.repeated():
            message = (
                f"a second row of {self.name} with {self.right.expression} {key}; the first is used"
            )
            problem = Problem(_PLACES.decode(place), "reject", Reason.DUPLICATE_ID, message)
            self.report(problem)


def _moved(store: RowsInMemory) -> RowsInDatabase:
    """Return the rows in a database; `store` forgets them."""
    moved = RowsInDatabase()
    for _, row in store.rows():
        moved.add(row)
    store.close()
    return moved


def join_name(join: Join) -> str:
    """Return the column that holds the joined row."""
    if join.name:
        return join.name
    if join.rows:
        return join.rows.rsplit(".", 1)[-1].removesuffix("[]")
    if join.hub is not None:
        return PurePosixPath(join.hub.repo).name
    file = join.file if isinstance(join.file, str) else (join.file or ["joined"])[0]
    return PurePosixPath(file).name.split(".")[0]


def read_joined(
    definition: Definition, join: Join, files: Files, report: Report
) -> Iterator[RawRow]:
    """Yield the joined rows: of a file, of a data set of the Hub, or else of the source's own files."""
    other = joined_definition(definition, join)
    for data_file in find_files(other, files):
        yield from read_rows(files, other, data_file, report)


def _reason_of_orphans(name: str, definition: Definition) -> tuple[Any, str] | None:
    """Return how a joined row that belongs to none is reported: by what the join is there for."""
    given = given_columns(definition)

    def comes_from_it(column: str) -> bool:
        return any(
            each == name or each.startswith((f"{name}.", f"{name}["))
            for each in given.get(column, ())
        )

    if any(map(comes_from_it, ("answers", "caption", "label", "target", "turns", "choices"))):
        return "warn", Reason.NO_QUESTION.value
    if comes_from_it("image"):
        return "count", "image_without_row"
    return None
