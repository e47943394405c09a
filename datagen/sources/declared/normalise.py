"""Reads a declared source once, front to back, and writes its rows in normal form.

What is done here is what needs the user's files: reading, joining, mapping, finding images, choosing
splits. What follows, on any engine, reads normal rows alone.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from datagen.errors import OptionError, RawDataError, Reason, RowRejectedError
from datagen.files import Files
from datagen.media.pack import ImagePack, clean_path
from datagen.schema.adapter import Filtered, Rejected
from datagen.schema.example import Example
from datagen.sources.declared.compile import (
    TASK_OF,
    normal_file,
    pack_file,
    template_folders,
    use_of,
)
from datagen.sources.declared.definition import Definition, SplitList
from datagen.sources.declared.images import ImageFinder
from datagen.sources.declared.join import Joins
from datagen.sources.declared.mapping import RowMapping
from datagen.sources.declared.no_effect import format_without_effect
from datagen.sources.declared.normal import ENCODER, NormalOutcome, NormalRow
from datagen.sources.declared.paths import columns_of_pattern
from datagen.sources.declared.protocol import read_protocol
from datagen.sources.declared.readers.files import DataFile, find_files
from datagen.sources.declared.readers.read import read_rows
from datagen.sources.declared.row import Mapped, Place, Problem, RawRow
from datagen.sources.declared.split import SplitRule, split_of_file
from templates.library import read_own_templates

_HIDDEN_FIELDS = frozenset(("answers", "captions", "label", "response", "correct_choice"))

Report = Callable[[Problem], None]
Take = Callable[[Iterator[tuple[str, NormalRow]]], Iterator[tuple[str, NormalRow]]]


class Normaliser:
    """Turns the rows of one source into normal rows, each with the split that it belongs to."""

    def __init__(
        self,
        definition: Definition,
        files: Files,
        pack: BinaryIO | ImagePack | None,
        report: Report,
    ) -> None:
        self.definition, self.files, self.report = definition, files, report
        self.joins = Joins(definition, files, report)
        self.mapping = RowMapping(definition, self.joins, report, files)
        self.images = ImageFinder(definition, files, pack, report)
        # Without a report: the mapping has a rule of its own, which tells of the lists.
        self.split_rule = SplitRule(definition, files)
        self.task = TASK_OF[definition.task]
        self.default_split = definition.split_names[0]
        self.uses = {each: use_of(definition, each) for each in definition.split_names}
        patterns = (definition.images.pattern, definition.images.member, definition.videos.pattern)
        self.split_is_in_path = any("split" in columns_of_pattern(each) for each in patterns)

    def rows(self, data_file: DataFile) -> Iterator[tuple[str, NormalRow]]:
        """Yield the normal rows of a file with their splits; those of one row are neighbours."""
        rows = read_rows(self.files, self.definition, data_file, self.report)
        for raw in self.mapping.checked(rows, data_file.split):
            yield from self.row(raw, data_file.split)

    def row(self, raw: RawRow, split: str | None) -> Iterator[tuple[str, NormalRow]]:
        """Yield the normal rows of one row: one for each split that a part of it belongs to."""
        found: dict[str, list[NormalOutcome]] = {}
        rejected = False
        last: str | None = None
        for each in self.mapping.examples(raw, split):
            if last is None and not isinstance(each, Mapped):
                last = self._split_of(raw, split)
            place = last or self.default_split
            if isinstance(each, Mapped):
                try:
                    place, outcome = self._example(each, raw, split)
                    last = place
                except RowRejectedError as error:
                    place = each.split if last is None else last
                    part = f"{each.part}: " if each.part else ""
                    outcome = NormalOutcome(
                        rejected=Rejected(error.reason, f"{part}{error.message}")
                    )
            elif isinstance(each, Rejected):
                outcome = NormalOutcome(rejected=each)
            else:
                outcome = NormalOutcome(filtered=each.reason)
            self._report(outcome, raw.place)
            rejected = rejected or outcome.rejected is not None
            found.setdefault(place, []).append(outcome)
        text = raw.shown() if rejected else raw.text
        for name, outcomes in found.items():
            yield name, NormalRow(raw.place, tuple(outcomes), text)

    def finish(self) -> None:
        """Report the joined rows that no row asked for."""
        self.joins.finish()

    def close(self) -> None:
        """Close the archives that are open."""
        self.images.close()

    def _split_of(self, raw: RawRow, split: str | None) -> str:
        """Return the split that a row which cannot be used is counted in."""
        named = self.mapping.split_of(raw, split)
        return named if named in self.definition.split_names else self.default_split

    def _example(
        self, mapped: Mapped, raw: RawRow, file_split: str | None
    ) -> tuple[str, NormalOutcome]:
        """Return the split and the example of a mapped row, or why it is left out.

        Raises:
            RowRejectedError: its image or video cannot be found, or it names no known split.
        """
        definition = self.definition
        columns = {"split": mapped.split, **mapped.row} if self.split_is_in_path else mapped.row
        images = (
            []
            if mapped.video is not None
            else self.images.find_all(mapped.images, columns, raw.place)
        )
        if isinstance(images, Filtered):
            return mapped.split, NormalOutcome(filtered=images.reason)
        video = (
            None
            if mapped.video is None
            else self.images.find_video(mapped.video, columns, raw.place)
        )
        if not images and video is None:
            raise RowRejectedError(Reason.NO_IMAGE, "the row names no image")
        first = video or images[0]
        split = self.split_rule.split_of(mapped, first, file_split)
        use = self.uses.get(split) or use_of(definition, split)
        if use == "ignore":
            return split, NormalOutcome(filtered=f"split {split} is not used")
        native = mapped.native_id or _made_id(raw.place)
        suffix = f"#{mapped.part}" if mapped.part else ""
        fields = mapped.fields
        if use == "hidden":
            fields = {name: each for name, each in fields.items() if name not in _HIDDEN_FIELDS}
        example = Example(
            example_id=f"{definition.name}/{split}/{native}{suffix}",
            source=definition.name,
            split=split,
            task=self.task,
            group_id=f"{definition.name}:{mapped.group or clean_path(first).partition('/')[2]}",
            images=None if video else tuple(images),
            video=video,
            clip=mapped.clip,
            tags={**(mapped.tags or {}), **_origin_tags(raw.place)},
            **fields,
        )
        return split, NormalOutcome(example=example)

    def _report(self, outcome: NormalOutcome, place: Place) -> None:
        if outcome.rejected is not None:
            each = outcome.rejected
            self.report(Problem(place, "reject", each.reason, each.message))
        elif outcome.filtered is not None:
            self.report(Problem(place, "count", outcome.filtered, outcome.filtered))


def _made_id(place: Place) -> str:
    """Return an id for a row that has none: of its file and place, the same in every run."""
    parts = [place.file, *(p for p in (place.split, place.key) if p)]
    if place.row is not None:
        parts.append(str(place.row))
    return ":".join(parts)


def _origin_tags(place: Place) -> dict[str, str]:
    tags = {"origin_file": place.file}
    if place.row is not None:
        tags["origin_row"] = str(place.row)
    if place.line is not None:
        tags["origin_line"] = str(place.line)
    if place.key is not None:
        tags["origin_key"] = place.key
    return tags


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let the garbage collector look less often at the many short-lived objects that rows are.

    It took a tenth of the time otherwise; cycles, such as those of errors, still go.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class MakesRows(Protocol):
    """Makes normal rows of data files, which come in their order."""

    def rows(self, data_file: DataFile) -> Iterator[tuple[str, NormalRow]]:
        """Yield the normal rows of a file with their splits."""

    def finish(self) -> None:
        """Report what shows only when everything was read."""

    def close(self) -> None:
        """Close what was opened for reading."""


def normalise(
    definition: Definition,
    data_files: Sequence[DataFile],
    files: Files,
    folder: str,
    report: Report = lambda problem: None,
    take: Take = iter,
) -> Counter[str]:
    """Write the normal rows of a source below `folder`, a file a split, and its packed images.

    Of each data file, those rows are read that `take` takes of all: by default, every one.

    Returns:
        The number of warnings by reason.

    Raises:
        RawDataError: a file cannot be read at all.
    """

    def make(pack: BinaryIO, report: Report) -> Normaliser:
        return Normaliser(definition, files, pack, report)

    return write_normal_rows(definition, make, data_files, files, folder, report, take)


def write_normal_rows(
    definition: Definition,
    make: Callable[[BinaryIO, Report], MakesRows],
    data_files: Sequence[DataFile],
    files: Files,
    folder: str,
    report: Report = lambda problem: None,
    take: Take = iter,
) -> Counter[str]:
    """Write the rows that `make` makes, which packs images in the file that it is given; as `normalise`."""
    warnings: Counter[str] = Counter()

    def count(problem: Problem) -> None:
        if problem.severity == "warn":
            warnings[str(problem.reason)] += 1
        report(problem)

    with _rare_collections(), ExitStack() as stack:
        opened: dict[str, BinaryIO] = {}
        for split in definition.split_names:
            if use_of(definition, split) != "ignore":
                path = f"{folder}/{normal_file(definition, split)}"
                opened[split] = stack.enter_context(files.create(path))
        pack = stack.enter_context(files.create(pack_file(definition, folder)))
        maker = make(pack, count)
        stack.callback(maker.close)
        for data_file in data_files:
            for split, row in take(maker.rows(data_file)):
                file = opened.get(split)
                if file is not None:  # none for a split whose use is `ignore`
                    file.write(ENCODER.encode(row) + b"\n")
        maker.finish()
    return warnings


def resolve(definition: Definition, files: Files) -> tuple[Definition, tuple[DataFile, ...]]:
    """Return the definition with the splits that its files have, and these files.

    Raises:
        RawDataError: a file is missing.
    """
    data_files = find_files(definition, files)
    named: dict[str, None] = dict.fromkeys(
        split_of_file(definition, each.split) for each in data_files if each.split
    )
    named |= dict.fromkeys(definition.splits)
    if not named:
        named["train"] = None
    if definition.hold_out is not None:
        named[definition.hold_out.split] = None
    if definition.columns.split is not None and not definition.splits:
        raise OptionError(
            f"source {definition.name}: columns.split needs splits, the values that mean each split, such "
            "as splits: {train: [train], val: [dev, valid]}"
        )
    values = [each for each, of in definition.splits.items() if not isinstance(of, SplitList)]
    if values and definition.columns.split is None and not any(f.split for f in data_files):
        raise OptionError(
            f"source {definition.name}: splits has no effect: no file has a split of its own; say which "
            "column names a row's split (columns.split), or give files by split (files: {train: ..., val: ...})"
        )
    unknown = [split for split in definition.use if split not in named]
    if unknown:
        raise RawDataError(
            f"source {definition.name}: `use` names the split {unknown[0]!r}, the data have "
            f"{', '.join(named)}"
        )
    unused = list(format_without_effect(definition, {each.format for each in data_files}))
    if unused:
        raise OptionError(f"source {definition.name}: {'; '.join(unused)}")
    # Refuses an evaluation that cannot be used, before anything is read, and also where no split is
    # evaluated yet.
    read_protocol(definition.model_copy(update={"split_names": (*named, "val"), "use": {}}))
    ordered = sorted(named, key=lambda split: (split != "train", list(named).index(split)))
    own = [t for folder in template_folders(definition) for t in read_own_templates(Path(folder))]
    found = {"split_names": tuple(ordered), "own_templates": tuple(own)}
    return definition.model_copy(update=found), tuple(data_files)
