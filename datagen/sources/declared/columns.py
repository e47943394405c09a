"""Columns: from the name or the JMESPath expression in a source file to the value in a row.

A name that is a key of the row is found first, so that `Image File`, `image#1` and `meta.id` may be
names of columns. Blanks at the ends of names do not count. Everything else is JMESPath
(https://jmespath.org), compiled once; paths of plain names, the usual case, are followed without it.
"""

import ast
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError, ParseError, UnknownFunctionError
from jmespath.functions import Functions, signature

from datagen.errors import Reason, RowRejectedError, UserError, nearest
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.json_keys import RepeatedKeyError, unique_object
from datagen.sources.declared.row import Value
from datagen.sources.declared.values import is_missing, kind_of, shown

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(rf"{_NAME.pattern}(?:\[\]|\.{_NAME.pattern})+")
_PART = re.compile(rf"{_NAME.pattern}|\[\]")
_ONLY_IN_EXPRESSIONS = re.compile(r"[\[\]{}|`]")

MAX_PRINTED_CHARS = 100_000
"""Of a list as Python prints it; parsing takes many times the memory of the text."""

_OBJECTS = frozenset((dict,))

Find: TypeAlias = Callable[[Value], Any]


class ColumnError(UserError):
    """A column expression that cannot be read, or a column that the data do not have."""


class _Functions(Functions):
    """JMESPath's functions, five for text and one for lists, named as in JMESPath Community Edition."""

    @signature({"types": ["string", "null"]}, {"types": ["string"]})
    def _func_split(self, text: str | None, separator: str) -> list[str] | None:
        return None if text is None else text.split(separator or None)

    @signature({"types": ["string", "null"]}, {"types": ["string"]}, {"types": ["string"]})
    def _func_replace(self, text: str | None, old: str, new: str) -> str | None:
        return None if text is None else text.replace(old, new)

    @signature({"types": ["string", "null"]})
    def _func_trim(self, text: str | None) -> str | None:
        return None if text is None else text.strip()

    @signature({"types": ["string", "null"]})
    def _func_lower(self, text: str | None) -> str | None:
        return None if text is None else text.lower()

    @signature({"types": ["string", "null"]})
    def _func_upper(self, text: str | None) -> str | None:
        return None if text is None else text.upper()

    @signature({"types": ["array", "null"]}, {"types": ["array", "null"]})
    def _func_zip(self, left: list[Any] | None, right: list[Any] | None) -> list[Any] | None:
        if left is None or right is None:
            return None
        return [list(pair) for pair in zip(left, right, strict=False)]


_OPTIONS = jmespath.Options(custom_functions=_Functions())


class Column:
    """The value that one name or expression of a source file has in a row, None where there is none.

    Raises:
        ColumnError: `expression` is neither.
    """

    __slots__ = ("_find", "_key", "expression")

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self._key = expression
        self._find = _finder(expression)

    def get(self, row: Value) -> Any:
        """Return the value in `row`.

        Raises:
            RowRejectedError: the expression fails on this row, such as a function on another type.
        """
        try:
            return row[self._key]
        except KeyError:
            return self._get_otherwise(row)

    def is_in(self, row: Value) -> bool:
        """Return True if the row has the column, be it empty; for expressions, if they find something."""
        if self._key in row or self._named_like_this(row) is not None:
            return True
        if self._find is None:
            return False
        try:
            return self._get_otherwise(row) is not None
        except RowRejectedError:
            return True

    def why_missing(self, row: Value) -> RowRejectedError | None:
        """Return the error for a path that leads through something other than an object."""
        if _PATH.fullmatch(self.expression) is None or self._key in row:
            return None
        value: Any = row
        passed: list[str] = []
        for part in _PART.findall(self.expression):
            if part == "[]" or is_missing(value):
                return None
            if not isinstance(value, Mapping):
                what = (
                    f"{'.'.join(passed)} is {kind_of(value)} where an object is due: {shown(value)}"
                )
                return RowRejectedError(Reason.MALFORMED_ROW, what)
            value = value.get(part)
            passed.append(part)
        return None

    def _get_otherwise(self, row: Value) -> Any:
        if self._find is not None:
            try:
                value = self._find(row)
            except JMESPathError as error:
                message = f"{self.expression} cannot be computed: {' '.join(str(error).split())}"
                raise RowRejectedError(Reason.MALFORMED_ROW, message) from None
            if value is not None:
                return value
        key = self._named_like_this(row)
        if key is None:
            return None
        self._key = key
        return row[key]

    def _named_like_this(self, row: Value) -> str | None:
        name = self.expression.strip()
        return next((key for key in row if key.strip() == name), None)


def _finder(expression: str) -> Find | None:
    """Return what computes an expression, or None for a bare name.

    Raises:
        ColumnError: it is no expression and does not look like a name.
    """
    if not expression.strip():
        raise ColumnError("the name of a column is empty")
    if _NAME.fullmatch(expression.strip()):
        return None
    if _PATH.fullmatch(expression):
        return _path(_PART.findall(expression))
    try:
        compiled = jmespath.compile(expression)
    except ParseError as error:
        if _ONLY_IN_EXPRESSIONS.search(expression) is None:
            return None
        raise ColumnError(
            f"{expression!r} is no JMESPath expression: {_place(error, expression)}"
        ) from None
    try:
        compiled.search({}, options=_OPTIONS)
    except UnknownFunctionError as error:
        if re.search(r"\s\(", expression):
            return None  # such as "Price (EUR)"
        raise ColumnError(f"{expression!r}: {' '.join(str(error).split()).lower()}") from None
    except JMESPathError:
        pass  # a function that takes no null; rows have values
    return lambda row: compiled.search(row, options=_OPTIONS)


def _place(error: ParseError, expression: str) -> str:
    found = re.search(r"column (\d+)", str(error))
    if found is None or int(found[1]) >= len(expression):
        return "it ends too early"
    return f"{expression[int(found[1])]!r} at character {int(found[1]) + 1} is not expected"


def _path(parts: list[str]) -> Find:
    """Return what follows `a.b[].c` as JMESPath does: lists are flattened once, nulls in them left out."""

    def find(row: Value) -> Any:
        value: Any = row
        spread = False
        for part in parts:
            if part == "[]":
                if not spread and not isinstance(value, list):
                    return None
                value = _flattened(value)
                spread = True
            elif spread:
                if _OBJECTS.issuperset(map(type, value)):
                    found = [each.get(part) for each in value]
                else:
                    found = [each.get(part) for each in value if isinstance(each, dict)]
                value = [each for each in found if each is not None]
            elif isinstance(value, dict):
                value = value.get(part)
            else:
                return None
        if spread and parts[-1] == "[]":
            return [each for each in value if each is not None]
        return value

    return find


def _flattened(values: list[Any]) -> list[Any]:
    """Return the items of lists in a list in their place."""
    if list not in map(type, values):
        return values
    flat: list[Any] = []
    for value in values:
        if isinstance(value, list):
            flat += value
        else:
            flat.append(value)
    return flat


def decode_json(value: Any, column: str) -> Any:
    """Return the content of a cell that holds a JSON list, object or text in quotes; others as they are.

    Raises:
        RowRejectedError: the cell begins like JSON and is none.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{", '"'):
        return value
    try:
        return json.loads(value, object_pairs_hook=unique_object)
    except RepeatedKeyError as error:
        message = f"{column}: {error}"
        raise RowRejectedError(Reason.MALFORMED_ROW, message) from None
    except ValueError as error:
        message = f"{column} holds no JSON: {shown(value)} ({error})"
        raise RowRejectedError(Reason.MALFORMED_ROW, message) from None


def decode_list(value: Any, column: str) -> Any:
    """Return the list in a cell that holds one as Python prints it, `['a', "b's"]`; others as they are.

    Raises:
        RowRejectedError: the cell begins like a list and is none of texts, numbers and truth values.
    """
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        found = ast.literal_eval(value.strip()) if len(value) <= MAX_PRINTED_CHARS else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if isinstance(found, list) and _is_plain(found):
        return found
    message = f"{column} holds no list as Python prints one: {shown(value)}"
    raise RowRejectedError(Reason.MALFORMED_ROW, message)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float | bool)


class Decoders:
    """Decodes the columns that a definition takes as `json` or as `python_lists`."""

    def __init__(self, definition: Definition) -> None:
        self._decoders = [
            (Column(expression), decode)
            for named, decode in (
                (definition.json_columns, decode_json), (definition.python_lists, decode_list),
            )
            for expression in ([named] if isinstance(named, str) else named)
        ]  # fmt: skip

    def decoded(self, row: Value) -> Value:
        """Return a row with what stands in these columns.

        Raises:
            RowRejectedError: a cell cannot be decoded.
        """
        if not self._decoders:
            return row
        changed = {}
        for column, decode in self._decoders:
            value = column.get(row)
            if isinstance(value, str | bytes):
                changed[column.expression] = decode(value, column.expression)
        return {**row, **changed}


def unknown_column(expression: str, rows: Iterable[Value]) -> str:
    """Return a sentence about a column that none of `rows` has, with the nearest name."""
    known = list(dict.fromkeys(key.strip() for row in rows for key in row))
    name = expression.strip()
    if not known:
        return f"no column {name!r}"
    first = _NAME.match(name)
    hint = nearest(name, known) or (
        nearest(first[0], known) if first and first[0] not in known else ""
    )
    return f"no column {name!r}{hint or '; there are ' + ', '.join(known[:20])}"
