"""From rows of a mirror to examples: the publisher's row of each, and the source's own adapter over it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import msgspec
from msgspec import structs

from datagen.errors import Reason, RowRejectedError
from datagen.files import Files
from datagen.media.pack import ImagePack, clean_path
from datagen.schema.adapter import Filtered, Outcome, Rejected, RowContext, SplitFiles
from datagen.schema.example import Example
from datagen.sources import load_source
from datagen.sources.declared.answers import words_of
from datagen.sources.declared.columns import Column, Decoders
from datagen.sources.declared.join import Joins
from datagen.sources.declared.normal import NormalOutcome, NormalRow
from datagen.sources.declared.normalise import Report
from datagen.sources.declared.parts import parts_by
from datagen.sources.declared.readers.files import DataFile
from datagen.sources.declared.readers.read import read_rows
from datagen.sources.declared.row import RawRow, Value
from datagen.sources.declared.split import SplitRule
from datagen.sources.mirrors.mirror import Mirrored, PublisherRows


class MirrorRows:
    """Turns the rows of a mirror into normal rows, each with the split that it belongs to.

    With a `limit`, only so many rows of each split are read.
    """

    def __init__(
        self,
        mirrored: Mirrored,
        files: Files,
        pack: BinaryIO,
        report: Report,
        limit: int | None = None,
    ) -> None:
        definition = mirrored.definition
        self.mirrored, self.files, self.report, self.limit = mirrored, files, report, limit
        self.joins = Joins(definition, files, report)
        self._pack = ImagePack(pack)
        self._has_joins = bool(definition.join)
        self._is_mixed = definition.columns.split is not None
        self._decoders = Decoders(definition)
        self._split_rule = SplitRule(definition, files)
        self._makers = {
            split: ExampleMaker(mirrored.name, layout_of(mirrored, split), rules, self._pack)
            for split in mirrored.splits
            for rules in (mirrored.publisher.of_split(split),)
        }
        self._num_rows: Counter[str] = Counter()

    def rows(self, data_file: DataFile) -> Iterator[tuple[str, NormalRow]]:
        """Yield the normal rows of a file; rows of splits that are not built are passed over."""
        rows = read_rows(self.files, self.mirrored.definition, data_file, self.report)
        while not self._has_enough(data_file) and (raw := next(rows, None)) is not None:
            split, outcomes = self._outcomes(raw, data_file.split)
            if split in self._makers:
                rejected = any(each.rejected is not None for each in outcomes)
                yield split, NormalRow(raw.place, outcomes, raw.shown() if rejected else raw.text)

    def _has_enough(self, data_file: DataFile) -> bool:
        """Return True if no further row of a file is wanted."""
        if self.limit is None:
            return False
        split = self._split_rule.named_or_none(None, data_file.split)
        splits = [split] if split and not self._is_mixed else self.mirrored.splits
        return all(self._num_rows[each] >= self.limit for each in splits)

    def finish(self) -> None:
        """Forget the joined rows, and report those that nothing asked for."""
        self.joins.finish()

    def close(self) -> None:
        """Close nothing: every file is closed behind its last row."""

    def _outcomes(
        self, raw: RawRow, file_split: str | None
    ) -> tuple[str, tuple[NormalOutcome, ...]]:
        """Return the split of a row, and what it becomes."""
        split = self._split_rule.named_or_none(None, file_split) or self.mirrored.splits[0]
        try:
            if isinstance(raw.value, Rejected):
                raise RowRejectedError(raw.value.reason, raw.value.message)
            row = self._decoders.decoded(raw.value)
            if self._has_joins:
                row = self.joins.joined(row, raw.place)
            split = self._split_rule.named(row, file_split)
        except RowRejectedError as error:
            self._num_rows[split] += 1
            return split, (NormalOutcome(rejected=Rejected(error.reason, error.message)),)
        number = self._num_rows[split]
        self._num_rows[split] += 1
        maker = self._makers.get(split)
        return split, () if maker is None else tuple(maker.outcomes(row, number))


class ExampleMaker:
    """Makes the examples of one split with the source's adapter."""

    def __init__(
        self, source: str, layout: SplitFiles, rules: PublisherRows, pack: ImagePack
    ) -> None:
        self.source, self.layout, self.rules, self.pack = source, layout, rules, pack
        self._row = _columns(rules.row)
        self._found = _columns(rules.found) or {}
        self._fields = _columns(rules.fields) or {}
        self._key = None if rules.key is None else Column(rules.key)
        self._image = None if rules.image is None else Column(rules.image)
        self._parts = None if rules.each is None else parts_by(rules.each)

    def outcomes(self, row: Value, number: int) -> Iterator[NormalOutcome]:
        """Yield what becomes of a row, the `number`-th of its split from 0."""
        try:
            parts = [row] if self._parts is None else [part for _, part in self._parts(row)]
            for part in parts:
                for outcome in self._publishers(part, number):
                    yield _normal(self._with_own(outcome, part))
        except RowRejectedError as error:
            yield NormalOutcome(rejected=Rejected(error.reason, error.message))

    def _publishers(self, row: Value, number: int) -> Iterator[Outcome]:
        """Yield the adapter's outcomes for a row."""
        layout = self.layout
        publishers = row if self._row is None else _values(self._row, row)
        context = RowContext(
            source=self.source,
            split=layout.split,
            hidden_answers=layout.hidden_answers,
            tables=dict.fromkeys(layout.tables, _Everything()),
            media=_FirstPath(),
            row_number=number,
            key=f"row{number}" if self._key is None else _text(self._key.get(row)),
            found={name: self._lookup(name, row) for name in layout.lookups},
        )
        yield from layout.examples(_converted(publishers, layout.rows.row), context)

    def _lookup(self, name: str, row: Value) -> list[Any]:
        column = self._found.get(name)
        if column is None or self.layout.hidden_answers:
            return []
        kind = self.layout.lookups[name].row
        return [_converted(each, kind) for each in column.get(row) or ()]

    def _with_own(self, outcome: Outcome, row: Value) -> Outcome:
        """Return an outcome with what only the mirror has: the image's bytes, and further fields."""
        if not isinstance(outcome, Example):
            return outcome
        changes: dict[str, Any] = {}
        for name, column in self._fields.items():
            changes[name] = words_of(column.get(row), column.expression)
        if self._image is not None:
            by_content = self.rules.group == "content"
            path = outcome.images[0] if outcome.images else ""
            packed = self._packed(row, None if by_content else PurePosixPath(path).name)
            changes["images"] = (packed,)
            if by_content:
                stem = PurePosixPath(clean_path(packed)).stem
                changes["group_id"] = f"{self.source}:{stem}"
        return structs.replace(outcome, **changes) if changes else outcome

    def _packed(self, row: Value, name: str | None) -> str:
        assert self._image is not None
        value = self._image.get(row)
        data = value.get("bytes") if isinstance(value, Mapping) else value
        if not isinstance(data, bytes) or not data:
            message = f"no image in {self._image.expression}"
            raise RowRejectedError(Reason.NO_IMAGE, message)
        return f"{self.source}/{self.pack.add(data, name)}"


def layout_of(mirrored: Mirrored, split: str) -> SplitFiles:
    """Return the publisher's layout of a split whose rows a mirror has."""
    name = mirrored.publisher.layout
    found = [each for each in load_source(mirrored.name).splits if each.split == split]
    return next(each for each in found if name is None or each.layout_name == name)


class _Everything:
    """Stands for a publisher's list of a split's ids: what is in the mirror's split is in it."""

    def __contains__(self, item: object) -> bool:
        return True


class _FirstPath:
    """Looks for no image on disk: the mirror holds its bytes."""

    def first_existing(self, *paths: str) -> str:
        return paths[0]

    def find_existing(self, *paths: str) -> str | None:
        return paths[0]


def _columns(expressions: Mapping[str, str] | None) -> dict[str, Column] | None:
    if expressions is None:
        return None
    return {name: Column(expression) for name, expression in expressions.items()}


def _values(columns: Mapping[str, Column], row: Value) -> dict[str, Any]:
    """Return the fields that a row has; null stands for none."""
    found = {name: column.get(row) for name, column in columns.items()}
    return {name: value for name, value in found.items() if value is not None}


def _converted(value: Any, kind: Any) -> Any:
    """Return a value as the struct that an adapter decodes.

    Raises:
        RowRejectedError: a field is missing, or of another type.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise RowRejectedError(Reason.MALFORMED_ROW, str(error)) from None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _normal(outcome: Outcome) -> NormalOutcome:
    if isinstance(outcome, Example):
        return NormalOutcome(example=outcome)
    if isinstance(outcome, Filtered):
        return NormalOutcome(filtered=outcome.reason)
    return NormalOutcome(rejected=outcome)
