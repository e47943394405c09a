"""Multiple choice: the options of a question, and which of them the answer means."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from datagen.errors import Reason, RowRejectedError
from datagen.sources.declared.answers import AnswerReader, Warn
from datagen.sources.declared.values import (
    is_missing,
    kind_of,
    line_of,
    required,
    shown,
    whole_number,
)

_LETTER = re.compile(r"\(?\s*([A-Za-z])\s*(?:$|[).:\]]\s*(.*)$)", re.DOTALL)
"""`B`, `b`, `(B)`, `B.`, `B) 4`, `B: 4`; not `B 4`, which may be a text."""


@dataclass(frozen=True)
class Choices:
    """Options in order. `keys` are their names, or the letters of columns, where they have any."""

    texts: tuple[str, ...]
    keys: tuple[str, ...]


def read_choices(value: Any, column: str, separator: str | None) -> Choices:
    """Return the options of a list, an object, or a text whose parts a `separator` parts.

    Raises:
        RowRejectedError: it is none of these, or an option is blank.
    """
    keys: Sequence[str] | None = None
    if isinstance(value, str) and separator:
        value = value.split(separator)
    if isinstance(value, Mapping):
        keys = [str(key) for key in value]
        value = list(value.values())
    if is_missing(value):
        raise RowRejectedError(Reason.EMPTY_TEXT, f"{column} has no value, so there are no choices")
    if not isinstance(value, list):
        hint = "give answer.separator, or json if the cell holds a JSON list"
        message = (
            f"{column} is {kind_of(value)} where a list of choices is due: {shown(value)}; {hint}"
        )
        raise RowRejectedError(Reason.MALFORMED_ROW, message)
    texts = []
    for number, each in enumerate(value, start=1):
        name = f"choice {number} of {column}"
        texts.append(required(line_of(each, name), each, name))
    if not texts:
        raise RowRejectedError(Reason.EMPTY_TEXT, f"{column} has no choices")
    return Choices(tuple(texts), tuple(keys or _letters(len(texts))))


def choices_of_columns(values: Mapping[str, Any]) -> Choices:
    """Return the options that stand in several columns; empty cells are no options.

    Letters are those of the columns' places, so that a gap shifts none.

    Raises:
        RowRejectedError: all are empty, or one is no text.
    """
    texts, keys = [], []
    for letter, (column, value) in zip(_letters(len(values)), values.items(), strict=True):
        text = line_of(value, column)
        if text:
            texts.append(text)
            keys.append(letter)
    if not texts:
        raise RowRejectedError(Reason.EMPTY_TEXT, f"{', '.join(values)} are empty: no choices")
    return Choices(tuple(texts), tuple(keys))


def report_doubtful(choices: Choices, column: str, warn: Warn) -> None:
    """Report one choice alone, and choices that are equal."""
    if len(choices.texts) == 1:
        warn("one_choice", f"{column} has one choice alone, {choices.texts[0]!r}")
    if len(set(choices.texts)) < len(choices.texts):
        twice = next(text for text in choices.texts if choices.texts.count(text) > 1)
        warn("equal_choices", f"{column} has {twice!r} more than once")


def correct_choice(choices: Choices, value: Any, reader: AnswerReader) -> int:
    """Return the place of the right option, from 0, that an answer means by the rules of `reader`.

    Raises:
        RowRejectedError: there is no answer, it cannot be read so, or means no option.
    """
    value = reader.single(value)
    if value is None:
        raise RowRejectedError(Reason.NO_ANSWERS, f"{reader.column} has no answer")
    match reader.rules.is_:
        case "index":
            return _by_index(choices, value, reader)
        case "letter":
            return _by_key(choices, value, reader.column, "letter")
        case "key":
            return _by_key(choices, value, reader.column, "key")
    return _by_text(choices, value, reader.column)


def _by_index(choices: Choices, value: Any, reader: AnswerReader) -> int:
    number = whole_number(value)
    if number is None:
        message = f"{reader.column} is {shown(value)}, which is no whole number"
        raise RowRejectedError(Reason.MALFORMED_ROW, message)
    first = reader.rules.first
    place = number - first
    if not 0 <= place < len(choices.texts):
        last = first + len(choices.texts) - 1
        message = f"{reader.column} is {number}, but the choices are counted from {first} to {last}"
        raise RowRejectedError(Reason.INDEX_OUT_OF_RANGE, message)
    return place


def _by_key(choices: Choices, value: Any, column: str, what: str) -> int:
    text = line_of(value, column)
    keys = choices.keys
    if text in keys:
        return keys.index(text)
    folded = [key.casefold() for key in keys]
    if folded.count(text.casefold()) == 1:
        return folded.index(text.casefold())
    found = _LETTER.fullmatch(text)
    known = ", ".join(keys)
    if found is None:
        message = f"{column} is {shown(value)}, which is no single {what} of {known}"
        raise RowRejectedError(Reason.MALFORMED_ROW, message)
    letter, rest = found[1].casefold(), (found[2] or "").strip()
    if letter not in folded:
        message = f"{column} is {shown(value)}, but the choices have the {what}s {known}"
        raise RowRejectedError(Reason.INDEX_OUT_OF_RANGE, message)
    place = folded.index(letter)
    if rest and rest.casefold() != choices.texts[place].casefold():
        message = (
            f"{column} is {shown(value)}, but choice {keys[place]} is {choices.texts[place]!r}"
        )
        raise RowRejectedError(Reason.INCONSISTENT_ROW, message)
    return place


def _by_text(choices: Choices, value: Any, column: str) -> int:
    text = line_of(value, column)
    if text in choices.texts:
        return choices.texts.index(text)
    folded = [choice.casefold() for choice in choices.texts]
    if folded.count(text.casefold()) == 1:
        return folded.index(text.casefold())
    message = f"{column} is {text!r}, which is none of the choices {', '.join(choices.texts)}"
    raise RowRejectedError(Reason.INCONSISTENT_ROW, message)


def _letters(count: int) -> list[str]:
    return [ascii_uppercase[place] if place < 26 else f"#{place + 1}" for place in range(count)]
