"""The plan of a build: which splits can be read, where their rows are, how many shards they make.

Planning reads every needed file once, in the process that starts the build. It finds what is missing,
cut off or of another dataset before any work is spent, and fixes everything that the output depends
on, so that the work itself may run anywhere, in any order, any number of times.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from datagen.build.layouts import found_instead, lacking, layout_sentence
from datagen.build.options import BuildOptions
from datagen.errors import OptionError, RawDataError, nearest
from datagen.files import Files, is_url
from datagen.raw.gather import raw_exists
from datagen.raw.json_index import Window
from datagen.schema.adapter import Kind, Source, SplitFiles
from datagen.sources import SOURCE_IDS, load_source
from datagen.sources.declared.compile import media_root


@dataclass(frozen=True)
class RangePlan:
    """The unit of work of one worker: the first `rows` rows of the split that lie in `window`."""

    number: int
    window: Window
    first_row: int  # the window's first row, counted in the file
    rows: int


@dataclass(frozen=True)
class LookupPlan:
    """A join: the file that is read and the saved index of its keys. Without a file, nothing is found."""

    path: str | None
    index_path: str


@dataclass(frozen=True)
class TablePlan:
    """The part of a file that holds a table."""

    path: str
    start: int
    end: int


@dataclass(frozen=True)
class SplitPlan:
    """All that is needed to stage and write one split, in the layout that its files have."""

    source: str
    split: str
    layout_name: str
    path: str
    kind: Kind
    ranges: tuple[RangePlan, ...]
    lookups: Mapping[str, LookupPlan]
    tables: Mapping[str, TablePlan]
    num_shards: int
    rejected: Mapping[str, int]  # by the plan itself, before any row is read

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.ranges)


@dataclass(frozen=True)
class MissingSplit:
    """A split that is not built, and what it lacks: files of each of its layouts, or rows in them."""

    source: str
    split: str
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class InputFile:
    """A publisher's file, as it was read."""

    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class BuildPlan:
    """The splits to build; picklable, since every worker gets it."""

    splits: tuple[SplitPlan, ...]
    missing: tuple[MissingSplit, ...] = ()


def choose_splits(
    options: BuildOptions, files: Files
) -> tuple[list[tuple[Source, SplitFiles]], list[MissingSplit]]:
    """Return the splits whose files are complete, and the others.

    Raises:
        OptionError: a source or split is unknown, or a split to train on has hidden answers.
        RawDataError: a source named in `options`, or every source, has no complete split.
    """
    sources = [options.source(source_id) for source_id in options.source_ids]
    for source in sources:
        check_answers(source, options.trained_splits(source.id))
    known = {split for source in sources for split in source.split_names()}
    for split in options.splits or ():
        if split not in known:
            raise OptionError(
                f"unknown split {split!r}{nearest(split, known)}; known are {', '.join(sorted(known))}"
            )
    chosen: list[tuple[Source, SplitFiles]] = []
    missing: list[MissingSplit] = []
    for source in sources:
        for split in source.split_names():
            if options.splits is None or split in options.splits:
                found = complete_layout(source, split, options.raw or "", files)
                if isinstance(found, SplitFiles):
                    chosen.append((source, found))
                else:
                    missing.append(MissingSplit(source.id, split, found))
    built = {source.id for source, _ in chosen}
    for source in sources:
        if options.sources and source.id not in built:
            absent = [each for each in missing if each.source == source.id]
            if not absent:
                raise OptionError(
                    f"source {source.id!r} has none of the splits {', '.join(options.splits or ())}; "
                    f"it has {', '.join(source.split_names())}"
                )
            raw = options.raw or ""
            sentences = [layout_sentence(source, e.split, raw, files) for e in absent]
            nearly = found_instead(source, raw, files)
            raise RawDataError(
                f"source {source.id!r} has no complete split in {options.raw}/{source.card.folder}: "
                + "; ".join([*sentences, *nearly, *_fetch_hint(source.id)])
            )
    if not chosen:
        raise RawDataError(
            f"no source has a complete split in {options.raw}; `visinstruct sources --raw "
            f"{options.raw}` lists the files that are expected, `visinstruct fetch` downloads them"
        )
    return chosen, missing


def _fetch_hint(source_id: str) -> tuple[str, ...]:
    """Say how to get the files of a source, where that is known."""
    hint = f"`visinstruct fetch {source_id}` downloads what can be downloaded"
    return (hint,) if source_id in SOURCE_IDS else ()


def check_image_roots(options: BuildOptions) -> None:
    """Refuse local image roots that do not exist, with the nearest name beside each.

    Raises:
        OptionError: an `--image-root` names no folder.
    """
    for collection, folder in options.image_roots.items():
        if is_url(folder) or os.path.isdir(folder):
            continue
        parent, name = os.path.split(os.path.abspath(folder))
        there = os.scandir(parent) if os.path.isdir(parent) else ()
        beside = [entry.name for entry in there if entry.is_dir()]
        raise OptionError(
            f"--image-root {collection}={folder}: no such folder{nearest(name, beside)}"
        )


def complete_layout(
    source: Source, split: str, raw: str, files: Files
) -> SplitFiles | tuple[str, ...]:
    """Return the first layout of a split whose files are all present, or what each of them lacks."""
    for layout in source.splits:
        if layout.split == split:
            if source.in_staging:  # its files were found when the definition was read
                return layout
            folder = f"{raw}/{source.card.folder}"
            if all(raw_exists(files, f"{folder}/{name}") for name in layout.files()):
                return layout
    return lacking(source, split, raw, files)


def check_answers(source: Source, trained: Iterable[str]) -> None:
    """Refuse a training split whose answers are hidden: its records would have no target.

    Raises:
        OptionError: names source, split and the splits that can be trained on.
    """
    open_splits = [each for each in source.split_names() if not _hides(source, each)]
    for split in trained:
        if split in source.split_names() and split not in open_splits:
            rest = f"train on {', '.join(open_splits)}" if open_splits else "leave the source out"
            raise OptionError(
                f"mixture trains on {source.id}/{split}, whose answers are hidden, so that its records have no "
                f"target; {rest} (mixture option splits.{source.id})"
            )


def _hides(source: Source, split: str) -> bool:
    return all(each.hidden_answers for each in source.splits if each.split == split)


def _add_root(roots: dict[str, str], collection: str, folder: str, source: str) -> None:
    if roots.setdefault(collection, folder) != folder:
        raise OptionError(
            f"source {source!r} calls its images {collection!r}, which is a collection in "
            f"{roots[collection]} already; give it another name"
        )


def media_roots(options: BuildOptions) -> dict[str, str]:
    """Return the folder of every collection that one of the 26 uses, or a source of this build.

    Raises:
        OptionError: `--image-root` names another collection, or two sources mean different folders by
            one name.
    """
    roots: dict[str, str] = {}
    published = () if options.raw is None else SOURCE_IDS
    packages = [
        each for each in options.source_ids if each not in (*published, *options.own_sources)
    ]
    for source_id in (*published, *packages):
        card = load_source(source_id).card
        for media in card.media:
            parent = "" if media.kind == "own" else f"{media.kind}/"
            folder = card.folder if media.kind == "own" else media.collection
            _add_root(roots, media.collection, f"{options.raw or '.'}/{parent}{folder}", source_id)
    for each in options.declared:
        _add_root(roots, each.name, media_root(each), each.name)
    for collection, folder in options.image_roots.items():
        if collection not in roots:
            raise OptionError(
                f"--image-root names unknown collection {collection!r}{nearest(collection, roots)}; "
                f"known are {', '.join(sorted(roots))}"
            )
        roots[collection] = folder
    return roots
