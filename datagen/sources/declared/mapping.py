"""From a row of a user's file to examples-to-be, by a definition."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol, TypeAlias

from datagen.errors import RawDataError, Reason, RowRejectedError
from datagen.files import Files
from datagen.schema.adapter import Filtered, Rejected
from datagen.sources.declared.answers import texts_of
from datagen.sources.declared.clips import clip_of
from datagen.sources.declared.columns import Column, Decoders, unknown_column
from datagen.sources.declared.definition import Definition, Join
from datagen.sources.declared.fields import FieldReader, joined_text, one, several
from datagen.sources.declared.join import join_name
from datagen.sources.declared.markers import Markers
from datagen.sources.declared.parts import Parts, parts_by
from datagen.sources.declared.presets import read_preset
from datagen.sources.declared.raw_images import RawImages
from datagen.sources.declared.row import Mapped, Place, Problem, RawRow, Value
from datagen.sources.declared.split import SplitRule
from datagen.sources.declared.task_columns import ANSWER_COLUMNS, MAY_BE_ABSENT, given_columns
from datagen.sources.declared.turns import Message, TurnExample, TurnReader
from datagen.sources.declared.values import is_missing, key_of, paragraphs_of, shown

Report: TypeAlias = Callable[[Problem], None]
Outcome: TypeAlias = Mapped | Rejected | Filtered

NO_IMAGE = "no image"
NUM_ROWS_CHECKED = 1000
MAX_BYTES_CHECKED = 32 << 20
"""Of the first rows, which are in memory while the columns of the definition are looked for."""
_TURN_TASKS = ("conversation", "prompt")


class RowJoiner(Protocol):
    """Adds to a row what belongs to it in other files."""

    def joined(self, row: Value, place: Place) -> Value:
        """Return the row with the rows that it is joined with.

        Raises:
            RowRejectedError: one is missing.
        """


class RowMapping:
    """Maps the rows of one source. `report` receives warnings about rows that are used all the same.

    Raises:
        ColumnError: a column or pattern of the definition cannot be read.
    """

    def __init__(
        self,
        definition: Definition,
        joins: RowJoiner | None = None,
        report: Report = lambda problem: None,
        files: Files | None = None,
    ) -> None:
        columns = definition.columns
        self.definition = definition
        self._report = report
        self._joins = joins if definition.join else None
        self._split = SplitRule(definition, files, report)
        self._hidden = {split for split, use in definition.use.items() if use == "hidden"}
        self._decoders = Decoders(definition)
        self._parts: Parts | None = parts_by(definition.each) if definition.each else None
        self._images = RawImages(definition)
        self._markers = Markers.of(definition.images)
        self._named_later = self._images.by_pattern or self._markers.hold_images
        self._video, self._start, self._end = map(one, (columns.video, columns.start, columns.end))
        self._id, self._group = one(columns.id), one(columns.group)
        self._tags = {name: Column(expression) for name, expression in columns.tags.items()}
        self._fields = FieldReader(definition, self._warn)
        self._turns = TurnReader(definition.roles, self._markers)
        self._messages = one(columns.turns)
        self._prompt = several(columns.prompt or columns.question)
        self._target = one(columns.target or columns.answers)
        self._history, self._system = one(columns.history), one(columns.system)
        self._has_turns = definition.task in _TURN_TASKS
        self._place = Place("")
        self._part: str | None = None

    def examples(self, row: RawRow, split: str | None) -> Iterator[Outcome]:
        """Yield what becomes of a row; `split` is that of its file, where files tell splits apart."""
        value = row.value
        if isinstance(value, Rejected):
            yield value
            return
        self._place, self._part = row.place, None
        try:
            yield from self._examples(value, split or row.place.split)
        except RowRejectedError as error:
            yield self._rejected(value, error)

    def split_of(self, row: RawRow, file_split: str | None) -> str | None:
        """Return the split of a row that cannot be used, None where that cannot be told."""
        value = row.value
        found = None if isinstance(value, Rejected) else value
        return self._split.named_or_none(found, file_split or row.place.split)

    def checked(self, rows: Iterator[RawRow], split: str | None) -> Iterator[RawRow]:
        """Yield the rows of one file, after a look at the first for the columns of the definition.

        Raises:
            RawDataError: none of the first rows has one of them.
        """
        first = _first(rows)
        values = [row.value for row in first if not isinstance(row.value, Rejected)]
        errors = self.missing_columns(values, hidden=split in self._hidden)
        if errors:
            raise RawDataError(f"{first[0].place.file}: {'; '.join(errors)}")
        for message in self._absent_columns(values) if values else ():
            self._report(Problem(Place(first[0].place.file), "warn", "absent_column", message))
        yield from first
        yield from rows

    def missing_columns(self, rows: Iterable[Value], *, hidden: bool = False) -> list[str]:
        """Return an error for each column that none of `rows` has, the first rows of a file.

        Columns that rows may lack are no errors, nor are those of joined rows, nor answers where they
        are `hidden`.
        """
        rows = [part for row in rows for part in self._parts_or_none(row)]
        joins = self.definition.join
        joined = tuple(map(join_name, [joins] if isinstance(joins, Join) else joins))
        errors = []
        for name, expressions in given_columns(self.definition).items() if rows else ():
            if name in MAY_BE_ABSENT or (hidden and name in ANSWER_COLUMNS):
                continue
            if any(re.match(rf"{re.escape(j)}(\W|$)", e) for j in joined for e in expressions):
                continue
            columns = [Column(each) for each in expressions]
            if not any(column.is_in(row) for column in columns for row in rows):
                errors += [f"columns.{name}: {unknown_column(columns[0].expression, rows)}"]
        by = self._split.hold_out_column
        of_join = by is not None and any(
            re.match(rf"{re.escape(j)}(\W|$)", by.expression) for j in joined
        )
        if rows and by is not None and not of_join and not any(by.is_in(row) for row in rows):
            errors += [f"hold_out.by: {unknown_column(by.expression, rows)}"]
        return errors

    def _absent_columns(self, rows: Iterable[Value]) -> Iterator[str]:
        """Yield a message for each column that rows can do without, is asked for, and none of `rows` has."""
        parts = [part for row in rows for part in self._parts_or_none(row)]
        preset = self.definition.preset
        usual = {} if preset is None else read_preset(preset).get("columns", {})
        joins = self.definition.join
        joined = tuple(map(join_name, [joins] if isinstance(joins, Join) else joins))
        named = {
            name: expressions[0]
            for name, expressions in given_columns(self.definition).items()
            if name in MAY_BE_ABSENT and usual.get(name) != expressions[0]
        }
        named |= {f"tags.{name}": each for name, each in self.definition.columns.tags.items()}
        named = {f"columns.{name}": expression for name, expression in named.items()}
        for key, listed in (
            ("json", self.definition.json_columns),
            ("python_lists", self.definition.python_lists),
        ):
            each = [listed] if isinstance(listed, str) else listed
            named |= {(f"{key}.{n}" if n else key): column for n, column in enumerate(each)}
        if self.definition.images.same_as is not None:
            named["images.same_as"] = self.definition.images.same_as
        for name, expression in named.items():
            if any(re.match(rf"{re.escape(j)}(\W|$)", expression) for j in joined):
                continue
            column = Column(expression)
            if parts and not any(column.is_in(part) for part in parts):
                yield f"{name}: {unknown_column(expression, parts)}"

    def _parts_or_none(self, row: Value) -> list[Value]:
        try:
            row = self._decoders.decoded(row)
            return [row] if self._parts is None else [part for _, part in self._parts(row)]
        except RowRejectedError:
            return []

    def _examples(self, value: Value, file_split: str | None) -> Iterator[Outcome]:
        value = self._decoders.decoded(value)
        if self._joins is not None:
            left, value = value, self._joins.joined(value, self._place)
            self._compare_images(left, value)
        split = self._split.named(value, file_split)
        if self._parts is None:
            yield from self._part_examples(value, split)
            return
        images = self._row_images(value)
        first = True
        for part, content in self._parts(value):
            if first and not images and not self._row_images(content):
                yield self._without_image(value)
                return
            first = False
            self._part = part
            try:
                yield from self._part_examples(content, split)
            except RowRejectedError as error:
                yield self._rejected(content, error)

    def _part_examples(self, row: Value, split: str) -> Iterator[Outcome]:
        images = self._images.of(row)
        video = (
            None if self._video is None else key_of(self._video.get(row), self._video.expression)
        )
        if not images and video is None and not self._named_later:
            yield self._without_image(row)
            return
        hidden = split in self._hidden
        if self._has_turns:
            yield from self._turn_examples(row, split, images, video, hidden)
            return
        reader = self._fields
        reader.marked = []
        fields = reader.read(row, hidden)
        if self._markers.hold_images:
            images = list(reader.marked)
            if not images:
                yield self._without_image(row)
                return
        elif reader.marked and not self._images.by_pattern:
            self._markers.check(len(reader.marked), len(images) or 1)
        yield self._mapped(row, split, fields, images, video, self._part)

    def _turn_examples(
        self, row: Value, split: str, images: list[Any], video: str | None, hidden: bool
    ) -> Iterator[Outcome]:
        known = None if video is not None or self._images.by_pattern else images
        messages = self._messages_of(row, hidden)
        if self._markers.hold_images:
            known = [name for each in messages if isinstance(each, Message) for name in each.marked]
            if not known:
                yield self._without_image(row)
                return
        for each in self._turns.examples(messages, known, hidden, self._warn):
            if not isinstance(each, TurnExample):
                number, outcome = each
                if isinstance(outcome, Filtered):
                    yield outcome
                else:
                    error = RowRejectedError(outcome.reason, f"turn {number}: {outcome.message}")
                    yield self._rejected(row, error)
                continue
            number, fields, shown_images = each
            part = f"turn{number}"
            if self.definition.task == "prompt":
                part = self._part or ""
            elif self._part:
                part = f"{self._part}.{part}"
            yield self._mapped(row, split, fields, shown_images, video, part or None)

    def _messages_of(self, row: Value, hidden: bool) -> list[Message | RowRejectedError]:
        """Return the messages of a row: its turns, or its history, its prompt and its target.

        Raises:
            RowRejectedError: there are none, or the prompt is blank.
        """
        turns = self._turns
        found: list[Message | RowRejectedError] = []
        if self._system is not None:
            value = self._system.get(row)
            found.append(turns.message("system", value, self._system.expression))
        if self._messages is not None:
            column = self._messages
            value = column.get(row)
            if is_missing(value) and (error := column.why_missing(row)) is not None:
                raise error
            return found + turns.messages(value, column.expression)
        if self._history is not None:
            value = self._history.get(row)
            if not is_missing(value) and value not in ([], ""):
                found += turns.messages(value, self._history.expression)
        if self.definition.question is not None and not self._prompt:
            text = self.definition.question
        else:
            text = joined_text(self._prompt, row, paragraphs_of)
        names = ", ".join(column.expression for column in self._prompt) or "question"
        found.append(turns.message("user", text, names))
        if self._target is not None and not hidden:
            value = self._target.get(row)
            if is_missing(value) and (error := self._target.why_missing(row)) is not None:
                raise error
            value = self._fields.answers.single(value)
            found.append(turns.message("assistant", value, self._target.expression))
        return found

    def _mapped(
        self,
        row: Value,
        split: str,
        fields: dict[str, Any],
        images: list[Any],
        video: str | None,
        part: str | None,
    ) -> Mapped:
        return Mapped(
            fields=fields,
            images=images,
            part=part,
            video=video,
            clip=None if video is None else self._clip(row),
            native_id=None if self._id is None else key_of(self._id.get(row), self._id.expression),
            group=None
            if self._group is None
            else key_of(self._group.get(row), self._group.expression),
            split=split,
            hold_out_key=self._split.hold_out_key(row, split),
            tags=self._tags_of(row) if self._tags else None,
            row=row,
        )

    def _tags_of(self, row: Value) -> dict[str, str] | None:
        found = {}
        for name, column in self._tags.items():
            value = column.get(row)
            if isinstance(value, bool):
                value = "true" if value else "false"
            text = ", ".join(texts_of(value, column.expression))
            if text:
                found[name] = text
        return found or None

    def _clip(self, row: Value) -> tuple[float, float] | None:
        start = None if self._start is None else self._start.get(row)
        return clip_of(start, None if self._end is None else self._end.get(row))

    def _row_images(self, row: Value) -> bool:
        if self._named_later or self._images.of(row):
            return True
        return self._video is not None and not is_missing(self._video.get(row))

    def _without_image(self, row: Value) -> Outcome:
        """Return what becomes of a row without an image: an error if a text has a marker for one."""
        column = self._images.column or self._video
        name = "" if column is None else f" in {column.expression}"
        if self._markers.hold_images:
            name = f" named as {self._markers.text}"
        if self._markers.are_in(repr(row)):
            message = f"no image{name}, but the marker {self._markers.text} for one in its text"
            return self._rejected(row, RowRejectedError(Reason.NO_IMAGE, message))
        if self.definition.images.missing_column == "skip":
            return Filtered(NO_IMAGE)
        hint = "images: {missing_column: skip} leaves such rows out"
        return self._rejected(row, RowRejectedError(Reason.NO_IMAGE, f"no image{name}; {hint}"))

    def _compare_images(self, left: Value, joined: Value) -> None:
        """Check that joined rows agree on the columns that name the image.

        Raises:
            RowRejectedError: they do not.
        """
        others = [(name, each) for name, each in joined.items() if name not in left]
        for column in self._images.columns:
            name = column.expression
            own = left.get(name)
            for other_name, other in others:
                if not isinstance(other, Mapping) or other.get(name) is None:
                    continue
                if own is not None and key_of(own, name) != key_of(other[name], name):
                    message = f"{name} is {shown(own)}, but {shown(other[name])} in {other_name}"
                    raise RowRejectedError(Reason.INCONSISTENT_ROW, message)

    def _warn(self, reason: str, message: str) -> None:
        part = f"{_named(self._part)}: " if self._part else ""
        self._report(Problem(self._place, "warn", reason, f"{part}{message}"))

    def _rejected(self, row: Value, error: RowRejectedError) -> Rejected:
        """Return the rejection of a row or part, with the part's name and the row's id."""
        part = f"{_named(self._part)}: " if self._part else ""
        return Rejected(error.reason, f"{part}{error.message}{self._id_text(row)}")

    def _id_text(self, row: Value) -> str:
        try:
            value = None if self._id is None else key_of(self._id.get(row), self._id.expression)
        except RowRejectedError:
            return ""
        return "" if value is None else f" (id {value})"


def _first(rows: Iterator[RawRow]) -> list[RawRow]:
    """Return the first rows, fewer than usual where they hold images."""
    found, num_bytes = [], 0
    for row in islice(rows, NUM_ROWS_CHECKED):
        found.append(row)
        num_bytes += 0 if isinstance(row.value, Rejected) else _size_of(row.value)
        if num_bytes > MAX_BYTES_CHECKED:
            break
    return found


def _size_of(value: Any) -> int:
    """Return about how many bytes the texts and images in a value have."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_size_of, value.values()))
    return sum(map(_size_of, value)) if isinstance(value, list) else 8


def _named(part: str) -> str:
    return f"entry {part}" if part.isdecimal() else part
