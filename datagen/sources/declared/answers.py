"""Answers, labels and verdicts: the values of a column as the typed fields of an example."""

from collections.abc import Callable, Mapping
from typing import Any

from datagen.errors import Reason, RowRejectedError
from datagen.schema.answers import Answer, occurrences
from datagen.sources.declared.definition import Answers
from datagen.sources.declared.values import (
    is_missing,
    key_of,
    kind_of,
    line_of,
    required,
    shown,
    text_of,
)

SUSPICIOUS = frozenset(("nan", "none", "null", "n/a", "#n/a", "na", "-", "--", "?", "undefined"))
"""Answers, in lower case, that are more often a lost value than an answer."""

_MAX_KEPT, _MAX_KEPT_CHARS = 1 << 16, 64
"""How many short answers, and how short, are kept with their cleaned text: at most 20 MB."""

_STRINGS = frozenset((str,))

Warn = Callable[[str, str], None]
"""Reports a reason and a message about a row that is used all the same."""


class AnswerReader:
    """Reads answers of a `column` as a source file describes them."""

    def __init__(self, rules: Answers, column: str) -> None:
        self.rules = rules
        self.column = column
        self._missing = frozenset(rules.missing_words)
        self._words = {word.casefold(): True for word in rules.true_words}
        for word in rules.false_words:
            self._words[word.casefold()] = False
        self._lines: dict[str, str] = {}  # answers repeat: most are cleaned once
        self._spells_truth = bool({"true_words", "false_words"} & rules.model_fields_set)

    def texts(self, value: Any, warn: Warn) -> tuple[Answer, ...]:
        """Return the answers in a value: a text, a number, or a list of them, equal ones counted.

        Raises:
            RowRejectedError: none has text, or one is no text.
        """
        each = self._each(value)
        if _STRINGS.issuperset(map(type, each)):
            counts: dict[str, int] = {}
            for text, count in occurrences(each).items():
                line = self._text(text)
                counts[line] = counts.get(line, 0) + count
        else:  # some may not be looked up
            counts = occurrences(map(self._text, each))
        if not any(counts):
            raise self._no_answers(value)
        answers = tuple([Answer(text, count) for text, count in counts.items()])
        for answer in answers:
            text = answer.text
            if len(text) <= 9 and text.casefold() in SUSPICIOUS:
                warn("suspicious_answer", f"{self.column} is {text!r}, which may be a lost answer")
            elif text[:1] == "[" and text[-1:] == "]":
                hint = f"declare `json: {self.column}` if it is a list"
                warn("suspicious_answer", f"{self.column} is the text {shown(text)}; {hint}")
        return answers

    def single(self, value: Any) -> Any:
        """Return the one value that `value` is or holds, None where it is missing or blank.

        Raises:
            RowRejectedError: it holds several.
        """
        if isinstance(value, list):
            held = [each for each in value if not self.is_blank(each)]
            if len(held) > 1:
                message = (
                    f"{self.column} holds {len(held)} answers where one is due: {shown(value)}"
                )
                raise RowRejectedError(Reason.INCONSISTENT_ROW, message)
            value = held[0] if held else None
        return None if self.is_blank(value) else value

    def verdict(self, value: Any) -> bool:
        """Return what a truth value or a word for yes or no stands for.

        Raises:
            RowRejectedError: it is missing, or another word.
        """
        value = self.single(value)
        if value is None:
            raise self._no_answers(value)
        if isinstance(value, bool):
            return value
        word = (key_of(value, self.column) or "").casefold()
        if word not in self._words:
            known = ", ".join([*self.rules.true_words, *self.rules.false_words])
            message = f"{self.column} is {shown(value)}, which is none of the words {known}"
            raise RowRejectedError(Reason.MALFORMED_ROW, message)
        return self._words[word]

    def label(self, value: Any) -> str:
        """Return the name of a class.

        Raises:
            RowRejectedError: it is missing, no text, or none of the names that there are.
        """
        value = self.single(value)
        if value is None:
            raise self._no_answers(value)
        text = required(self._text(value), value, self.column)
        if self.rules.lower:
            text = text.lower()
        if not self.rules.names:
            return text
        name = self.rules.names.get(text) or self.rules.names.get(key_of(value, self.column) or "")
        if name is None:
            known = ", ".join(self.rules.names)
            message = f"{self.column} is {shown(value)}, answer.names has {known}"
            raise RowRejectedError(Reason.UNKNOWN_LABEL, message)
        return name

    def is_blank(self, value: Any) -> bool:
        """Return True if a value stands for no answer."""
        if isinstance(value, str):
            return not value.strip() or value.strip() in self._missing
        return is_missing(value)

    def _each(self, value: Any) -> list[Any]:
        if isinstance(value, list):
            if not self.rules.several and len(value) > 1:
                message = (
                    f"{self.column} holds {len(value)} answers where one is due: {shown(value)}"
                )
                raise RowRejectedError(Reason.INCONSISTENT_ROW, message)
            return value
        if isinstance(value, str) and self.rules.separator and self.rules.several:
            return value.split(self.rules.separator)
        return [] if is_missing(value) else [value]

    def _text(self, value: Any) -> str:
        if type(value) is not str or len(value) > _MAX_KEPT_CHARS:
            return self._cleaned(value)
        line = self._lines.get(value)
        if line is None:
            line = self._cleaned(value)
            if len(self._lines) < _MAX_KEPT:
                self._lines[value] = line
        return line

    def _cleaned(self, value: Any) -> str:
        if self._missing and self.is_blank(value):
            return ""
        if isinstance(value, bool) and self._spells_truth:
            words = self.rules.true_words if value else self.rules.false_words
            value = words[0] if words else value
        if isinstance(value, Mapping):
            names = ", ".join(map(str, value))
            message = f"{self.column} holds an object where a text is due, with the keys {names}: {shown(value)}"
            raise RowRejectedError(Reason.MALFORMED_ROW, message)
        return line_of(value, self.column)

    def _no_answers(self, value: Any) -> RowRejectedError:
        state = (
            "is empty"
            if isinstance(value, str) or not is_missing(value)
            else f"is {kind_of(value)}"
        )
        if value is None:
            state = "has no value"
        return RowRejectedError(Reason.NO_ANSWERS, f"{self.column} {state}, which is no answer")


def texts_of(value: Any, column: str, separator: str | None = None) -> list[str]:
    """Return a text, or the texts of a list, as lines; blank ones are left out.

    Raises:
        RowRejectedError: one of them is no text.
    """
    if isinstance(value, str) and separator:
        value = value.split(separator)
    each = value if isinstance(value, list) else [value]
    return [line for line in (line_of(item, column) for item in each) if line]


def words_of(value: Any, column: str) -> tuple[str, ...] | None:
    """Return OCR words: a list of texts, or one text with blanks between the words; None for none.

    Raises:
        RowRejectedError: one of them is no text.
    """
    if isinstance(value, list):
        return tuple(texts_of(value, column)) or None
    return tuple((text_of(value, column) or "").split()) or None
