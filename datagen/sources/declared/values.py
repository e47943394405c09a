"""Values of rows as text, numbers and truth values: what is missing, and what no text can be made of."""

from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

from datagen.errors import Reason, RowRejectedError
from datagen.schema.example import required_text
from datagen.text import clean_line, clean_paragraphs

MAX_SHOWN_CHARS = 120


def is_missing(value: Any) -> bool:
    """Return True for null and NaN, which stand for no value at all."""
    return value is None or (type(value) is float and value != value)


def text_of(value: Any, column: str) -> str | None:
    """Return a value as text, numbers and dates as they are written; None where it is missing.

    Raises:
        RowRejectedError: it is a truth value, a list or an object, infinite, or not encoded in UTF-8.
    """
    if type(value) is str:
        if not value.isprintable():
            _refuse_surrogates(value, column)
        return value
    if is_missing(value):
        return None
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            message = f"{column} is not UTF-8 at its byte {error.start}"
            raise RowRejectedError(Reason.INVALID_ENCODING, message) from None
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal | date | time):
        raise not_a_text(value, column)
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise not_a_text(value, column)
    return str(value)


def not_a_text(value: Any, column: str) -> RowRejectedError:
    """Return the error for a value where text is due."""
    return RowRejectedError(
        Reason.MALFORMED_ROW, f"{column} is {kind_of(value)} where a text is due: {shown(value)}"
    )


def kind_of(value: Any) -> str:
    """Return the kind of a value in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int | float):
        return "NaN" if value != value else "a number"
    return "bytes" if isinstance(value, bytes) else "a text"


def shown(value: Any) -> str:
    """Return a value as a message shows it, cut to one short line."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."


def _refuse_surrogates(text: str, column: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        place = f"its character {error.start + 1} is half a surrogate pair"
        message = f"{column} cannot be written as UTF-8: {place}"
        raise RowRejectedError(Reason.INVALID_ENCODING, message) from None


def line_of(value: Any, column: str) -> str:
    """Return a value as one line of text; "" where it is missing or blank."""
    text = text_of(value, column)
    return clean_line(text) if text else ""


def paragraphs_of(value: Any, column: str) -> str:
    """Return a value as text with its line breaks; "" where it is missing or blank."""
    text = text_of(value, column)
    return clean_paragraphs(text) if text else ""


def required(text: str, value: Any, column: str) -> str:
    """Return the cleaned `text` of `value` if it is not blank.

    Raises:
        RowRejectedError: it is blank, and says what the value was; or it is too long.
    """
    if text:
        return required_text(text, column)
    state = "empty" if value is not None and not is_missing(value) else kind_of(value)
    raise RowRejectedError(Reason.EMPTY_TEXT, f"{column} is {state}")


def key_of(value: Any, column: str) -> str | None:
    """Return an id or key as text, so that 7, 7.0 and " 7 " are one; None where it is missing or blank.

    Raises:
        RowRejectedError: it is no text and no number.
    """
    if type(value) is int:
        return str(value)
    if type(value) is float and value.is_integer():
        return str(int(value))
    text = text_of(value, column)
    return (clean_line(text) or None) if text else None


def whole_number(value: Any) -> int | None:
    """Return a whole number that is written as one, `2.0` too; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        try:
            value = float(value) if not value.strip().lstrip("+-").isdecimal() else int(value)
        except ValueError:
            return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None
