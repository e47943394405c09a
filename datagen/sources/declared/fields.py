"""The typed fields of an example of each task, read from a row."""

from collections.abc import Callable
from typing import Any, TypeAlias

from datagen.errors import Reason, RowRejectedError
from datagen.schema.answers import Answer
from datagen.schema.example import MAX_TEXT_CHARS
from datagen.sources.declared.answers import AnswerReader, Warn, texts_of, words_of
from datagen.sources.declared.choices import (
    Choices,
    choices_of_columns,
    correct_choice,
    read_choices,
    report_doubtful,
)
from datagen.sources.declared.columns import Column
from datagen.sources.declared.definition import Definition, OneOrMore
from datagen.sources.declared.markers import Markers
from datagen.sources.declared.row import Value
from datagen.sources.declared.values import is_missing, line_of, paragraphs_of, required

Fields: TypeAlias = dict[str, Any]


class FieldReader:
    """Reads the fields of rows that make one example each: all tasks but conversations.

    Raises:
        ColumnError: a column of the definition cannot be read.
    """

    def __init__(self, definition: Definition, warn: Warn) -> None:
        columns = definition.columns
        self.warn = warn
        self.markers = Markers.of(definition.images)
        self.marked: list[str] = []
        """The images, or else the markers, that were taken out of the last row's texts."""
        self._constant = definition.question
        self._question = several(columns.question)
        self._caption = one(columns.caption)
        self._statement = one(columns.statement)
        self._context = one(columns.context)
        self._ocr_tokens = one(columns.ocr_tokens)
        self._choices = several(columns.choices)
        self._separator = definition.answer.separator
        if definition.task in ("classification", "statement"):
            self._answers = one(columns.label or columns.answers)
        else:
            self._answers = one(columns.answers or columns.label)
        name = "" if self._answers is None else self._answers.expression
        self.answers = AnswerReader(definition.answer, name)
        readers: dict[str, Callable[[Value, bool], Fields]] = {
            "caption": self._caption_fields,
            "vqa": self._vqa_fields,
            "document_vqa": self._document_fields,
            "multiple_choice": self._choice_fields,
            "yes_no": self._yes_no_fields,
            "classification": self._label_fields,
            "statement": self._statement_fields,
        }
        self.read = readers.get(definition.task, self._vqa_fields)
        """Returns the fields of a row; of one with hidden answers, those without them."""

    def _caption_fields(self, row: Value, hidden: bool) -> Fields:
        column = self._caption
        if column is None:
            return {"captions": None}
        value = column.get(row)
        captions = texts_of(value, column.expression)
        if captions:
            for caption in captions:
                if len(caption) > MAX_TEXT_CHARS:
                    required(caption, value, column.expression)
                self.markers.refuse_in(caption, column.expression)
            return {"captions": tuple(captions)}
        if hidden:
            return {"captions": None}
        raise _blank(column, row, value)

    def _vqa_fields(self, row: Value, hidden: bool) -> Fields:
        return {"question": self._ask(row, line_of), "answers": self._answer(row, hidden)}

    def _document_fields(self, row: Value, hidden: bool) -> Fields:
        fields = self._vqa_fields(row, hidden)
        column = self._ocr_tokens
        if column is not None:
            fields["ocr_tokens"] = words_of(column.get(row), column.expression)
        return fields

    def _choice_fields(self, row: Value, hidden: bool) -> Fields:
        choices, name = self._options(row)
        report_doubtful(choices, name, self.warn)
        context = self._context
        text = "" if context is None else paragraphs_of(context.get(row), context.expression)
        correct = None
        if self._answers is not None and not hidden:
            correct = correct_choice(choices, self._answers.get(row), self.answers)
        return {
            "question": self._ask(row, paragraphs_of),
            "choices": choices.texts,
            "correct_choice": correct,
            "context": text or None,
        }

    def _options(self, row: Value) -> tuple[Choices, str]:
        columns = self._choices
        if len(columns) == 1:
            name = columns[0].expression
            return read_choices(columns[0].get(row), name, self._separator), name
        values = {column.expression: column.get(row) for column in columns}
        return choices_of_columns(values), ", ".join(values)

    def _yes_no_fields(self, row: Value, hidden: bool) -> Fields:
        return {"question": self._ask(row, line_of), "label": self._verdict(row, hidden)}

    def _statement_fields(self, row: Value, hidden: bool) -> Fields:
        column = self._statement
        assert column is not None
        value = column.get(row)
        text = self._without_markers(line_of(value, column.expression))
        if not text:
            raise _blank(column, row, value)
        statement = required(text, value, column.expression)
        return {"statement": statement, "label": self._verdict(row, hidden)}

    def _label_fields(self, row: Value, hidden: bool) -> Fields:
        fields: Fields = {"answers": None}
        if self._constant is not None or self._question:
            fields["question"] = self._ask(row, line_of)
        if not hidden:
            assert self._answers is not None
            fields["answers"] = (Answer(self.answers.label(self._answers.get(row)), 1),)
        return fields

    def _verdict(self, row: Value, hidden: bool) -> bool | None:
        if hidden:
            return None
        assert self._answers is not None
        return self.answers.verdict(self._answers.get(row))

    def _answer(self, row: Value, hidden: bool) -> tuple[Answer, ...] | None:
        if hidden:
            return None
        column = self._answers
        assert column is not None
        value = column.get(row)
        if is_missing(value) and (error := column.why_missing(row)) is not None:
            raise error
        answers = self.answers.texts(value, self.warn)
        for answer in answers:
            self.markers.refuse_in(answer.text, column.expression)
        return answers

    def _ask(self, row: Value, clean: Callable[[Any, str], str]) -> str:
        if self._constant is not None:
            return self._constant
        return self._without_markers(joined_text(self._question, row, clean))

    def _without_markers(self, text: str) -> str:
        text, marked = self.markers.take_out(text)
        if marked:
            self.marked += marked
            text = text.strip()
        return text


def joined_text(columns: list[Column], row: Value, clean: Callable[[Any, str], str]) -> str:
    """Return the texts of columns, one a line, blank ones left out.

    Raises:
        RowRejectedError: all are blank, or one is no text.
    """
    if len(columns) == 1:
        value = columns[0].get(row)
        text = clean(value, columns[0].expression)
        if not text:
            raise _blank(columns[0], row, value)
        return required(text, value, columns[0].expression)
    texts = [clean(column.get(row), column.expression) for column in columns]
    names = ", ".join(column.expression for column in columns)
    join = " " if clean is line_of else "\n"
    return required(join.join(filter(None, texts)), "", names)


def _blank(column: Column, row: Value, value: Any) -> RowRejectedError:
    """Return the error for a text that a row does not have."""
    error = column.why_missing(row) if is_missing(value) else None
    if error is not None:
        return error
    if value is None:
        state = "is null" if column.is_in(row) else "is absent"
    elif isinstance(value, float):
        state = "is NaN"
    else:
        state = "is empty"
    return RowRejectedError(Reason.EMPTY_TEXT, f"the column {column.expression!r} {state}")


def one(expression: str | None) -> Column | None:
    """Return the column of an expression, None if it is not given."""
    return None if expression is None else Column(expression)


def several(expressions: OneOrMore | None) -> list[Column]:
    """Return the columns of one or more expressions."""
    if expressions is None:
        return []
    given = [expressions] if isinstance(expressions, str) else expressions
    return [Column(each) for each in given]
