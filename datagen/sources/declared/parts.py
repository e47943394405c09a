"""Several questions a row: the parts that `each` makes of it."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Protocol

from datagen.errors import Reason, RowRejectedError
from datagen.sources.declared.columns import Column
from datagen.sources.declared.definition import OneOrMore
from datagen.sources.declared.row import Value
from datagen.sources.declared.values import is_missing, kind_of, shown


class Parts(Protocol):
    """Makes parts of a row."""

    def __call__(self, row: Value) -> Iterator[tuple[str, Value]]:
        """Yield the name of each part, and the row with the part's own columns in front.

        Raises:
            RowRejectedError: the row has none, or they do not fit together.
        """


def parts_by(each: OneOrMore) -> Parts:
    """Return what makes parts by a name with `*`, by a column with a list, or by parallel lists."""
    if isinstance(each, list):
        return _Parallel([Column(name) for name in each])
    return _Keys(each) if _is_wildcard(each) else _Entries(Column(each))


def _is_wildcard(text: str) -> bool:
    return "*" in text and not set("[]{}()|&") & set(text)


class _Keys:
    def __init__(self, wildcard: str) -> None:
        self._pattern = wildcard

    def __call__(self, row: Value) -> Iterator[tuple[str, Value]]:
        names = [name for name in row if fnmatchcase(name, self._pattern)]
        if not names:
            raise RowRejectedError(Reason.EMPTY_TEXT, f"no column is named like {self._pattern!r}")
        for name in names:
            value = row[name]
            yield name, {**row, **(value if isinstance(value, dict) else {self._pattern: value})}


class _Entries:
    def __init__(self, column: Column) -> None:
        self._column = column

    def __call__(self, row: Value) -> Iterator[tuple[str, Value]]:
        name = self._column.expression
        for number, value in enumerate(_list(self._column, row), start=1):
            yield str(number), {**row, **(value if isinstance(value, dict) else {name: value})}


class _Parallel:
    def __init__(self, columns: list[Column]) -> None:
        self._columns = columns

    def __call__(self, row: Value) -> Iterator[tuple[str, Value]]:
        lists = {column.expression: _list(column, row) for column in self._columns}
        if len({len(values) for values in lists.values()}) > 1:
            lengths = ", ".join(f"{name} has {len(values)}" for name, values in lists.items())
            message = f"lists of different length: {lengths}; which belong together is not known"
            raise RowRejectedError(Reason.INCONSISTENT_ROW, message)
        for number, values in enumerate(zip(*lists.values(), strict=True), start=1):
            yield str(number), {**row, **dict(zip(lists, values, strict=True))}


def _list(column: Column, row: Value) -> list[object]:
    value = column.get(row)
    if isinstance(value, list) and value:
        return value
    error = column.why_missing(row)
    if error is not None:
        raise error
    if is_missing(value) or value == []:
        raise RowRejectedError(Reason.EMPTY_TEXT, f"{column.expression} has no entries")
    what = f"{column.expression} is {kind_of(value)} where a list is due: {shown(value)}"
    raise RowRejectedError(Reason.MALFORMED_ROW, what)
