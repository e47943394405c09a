"""Rows by their keys: in memory while they are few, in a temporary SQLite database beyond.

Both give the same answers in the same order. The database keeps what fits in its cache and the rest in a
file that nobody sees.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

MEMORY_BYTES = 128 << 20
"""Of rows in memory, with what Python needs for each."""
BYTES_OF_A_ROW = 300
CACHE_KIB = 64 * 1024
_BATCH = 1000


class StoredRow(NamedTuple):
    """A row by the file whose rows it may be joined with, and its key; place and content are encoded."""

    file: str
    key: str
    place: bytes
    content: bytes


class RowStore(Protocol):
    """Rows in the order in which they were added, numbered from 1."""

    def add(self, row: StoredRow) -> None:
        """Add a row. No row is looked for before `seal`."""

    def seal(self) -> int:
        """Prepare the search, and return the number of rows."""

    def find(self, file: str, key: str) -> Sequence[tuple[int, bytes]]:
        """Return numbers and contents of the rows of a key."""

    def repeated(self) -> Iterator[tuple[str, bytes]]:
        """Yield key and place of every row whose key an earlier one has."""

    def rows(self) -> Iterator[tuple[int, StoredRow]]:
        """Yield all rows with their numbers."""

    def close(self) -> None:
        """Forget all rows."""


class RowsInMemory:
    """Rows in lists and a dictionary; `num_bytes` is about what they take."""

    def __init__(self) -> None:
        self._rows: list[StoredRow] = []
        self._numbers: dict[tuple[str, str], list[int]] = {}
        self.num_bytes = 0

    def add(self, row: StoredRow) -> None:
        """Add a row."""
        self._rows.append(row)
        self._numbers.setdefault(row[:2], []).append(len(self._rows))
        self.num_bytes += len(row.content) + len(row.place) + BYTES_OF_A_ROW

    def seal(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def find(self, file: str, key: str) -> Sequence[tuple[int, bytes]]:
        """Return numbers and contents of the rows of a key."""
        rows = self._rows
        return [(number, rows[number - 1][3]) for number in self._numbers.get((file, key), ())]

    def repeated(self) -> Iterator[tuple[str, bytes]]:
        """Yield key and place of every row whose key an earlier one has."""
        later = sorted(n for numbers in self._numbers.values() for n in numbers[1:])
        for number in later:
            yield self._rows[number - 1].key, self._rows[number - 1].place

    def rows(self) -> Iterator[tuple[int, StoredRow]]:
        """Yield all rows with their numbers."""
        yield from enumerate(self._rows, 1)

    def close(self) -> None:
        """Forget all rows."""
        self._rows, self._numbers = [], {}


class RowsInDatabase:
    """Rows in a temporary SQLite database, of which `CACHE_KIB` are in memory."""

    def __init__(self) -> None:
        self._batch: list[StoredRow] = []
        self._database = sqlite3.connect("", isolation_level=None)
        execute = self._database.execute
        execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        execute("PRAGMA synchronous = OFF")
        execute("PRAGMA journal_mode = OFF")
        execute(
            "CREATE TABLE rows (number INTEGER PRIMARY KEY, file TEXT, key TEXT, place BLOB, row BLOB)"
        )
        execute("BEGIN")

    def add(self, row: StoredRow) -> None:
        """Add a row."""
        self._batch.append(row)
        if len(self._batch) == _BATCH:
            self._insert()

    def _insert(self) -> None:
        insert = "INSERT INTO rows (file, key, place, row) VALUES (?, ?, ?, ?)"
        self._database.executemany(insert, self._batch)
        self._batch.clear()

    def seal(self) -> int:
        """Index the keys, and return the number of rows."""
        self._insert()
        self._database.execute("CREATE INDEX keys ON rows (file, key)")
        self._database.execute("COMMIT")
        (number,) = self._database.execute("SELECT COUNT(*) FROM rows").fetchone()
        return int(number)

    def find(self, file: str, key: str) -> Sequence[tuple[int, bytes]]:
        """Return numbers and contents of the rows of a key."""
        query = "SELECT number, row FROM rows WHERE file = ? AND key = ? ORDER BY number"
        return self._database.execute(query, (file, key)).fetchall()

    def repeated(self) -> Iterator[tuple[str, bytes]]:
        """Yield key and place of every row whose key an earlier one has."""
        query = (
            "SELECT key, place FROM rows AS r WHERE EXISTS (SELECT 1 FROM rows AS earlier WHERE "
            "earlier.file = r.file AND earlier.key = r.key AND earlier.number < r.number) "
            "ORDER BY number"
        )
        yield from self._database.execute(query)

    def rows(self) -> Iterator[tuple[int, StoredRow]]:
        """Yield all rows with their numbers."""
        query = "SELECT number, file, key, place, row FROM rows ORDER BY number"
        for number, *row in self._database.execute(query):
            yield number, StoredRow(*row)

    def close(self) -> None:
        """Remove the database."""
        self._database.close()
