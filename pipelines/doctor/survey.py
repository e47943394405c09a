"""A look at rows and their images: the files are indexed in full, and some rows of each split are read, with their images."""

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from datagen.build.declared import resolve_all
from datagen.build.options import BuildOptions
from datagen.build.plan import MissingSplit, SplitPlan, choose_splits, media_roots
from datagen.build.planner import index_files, make_plan
from datagen.build.stage import RangeWork, SplitStager
from datagen.build.stage_media import MediaStage
from datagen.build.staging import Staging
from datagen.errors import RawDataError, UserError
from datagen.media.media import MediaRoots
from datagen.raw.json_index import JsonIndex
from datagen.schema.adapter import Source, SplitFiles
from datagen.schema.example import Example
from datagen.sources.declared.compile import pack_file
from datagen.stores.any_files import AnyFiles
from pipelines.build.estimate.counted_files import CountedFiles
from pipelines.build.estimate.own_slice import data_bytes, normal_slices
from pipelines.build.estimate.slice import choose_ranges


@dataclass
class SplitSurvey:
    """What was found in a split of `rows` rows, of which `seen` were read.

    They made `read` outcomes: examples, rejected and filtered ones. `first` is the message of the first row rejected for each
    reason.
    """

    source: str
    split: str
    layout_name: str
    rows: int
    seen: int = 0
    read: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    filtered: int = 0
    first: dict[str, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return self.seen == self.rows

    @property
    def records(self) -> float:
        """The records of the whole split, rejected ones included; exact if all rows were seen."""
        if not self.seen:
            return 0.0
        return (self.read - self.filtered) * self.rows / self.seen


@dataclass(frozen=True)
class Survey:
    """The splits that can be read, those without rows, and (source, message) of what cannot be read."""

    splits: tuple[SplitSurvey, ...]
    empty: tuple[MissingSplit, ...]
    errors: tuple[tuple[str, str], ...]


def bytes_to_read(options: BuildOptions, files: AnyFiles) -> int:
    """Return the size of all files of rows, each once.

    Raises:
        UserError: nothing can be built.
    """
    definitions, own = resolve_all(options.declared, files)
    options = options.model_copy(update={"declared": definitions})
    chosen, _ = choose_splits(options, files)
    paths = {
        f"{options.raw}/{source.card.folder}/{name}"
        for source, layout in chosen
        if not source.in_staging
        for name in layout.files()
    }
    own_bytes = sum(data_bytes(own, CountedFiles(files, "")).values())
    return own_bytes + sum(_size(path, files) for path in paths)


def survey(options: BuildOptions, files: AnyFiles, num_rows: int | None) -> Survey:
    """Look at about `num_rows` rows of each split, spread over it; at all rows if None.

    Raises:
        UserError: nothing can be built.
    """
    with tempfile.TemporaryDirectory(prefix="visinstruct-doctor-") as folder:
        return _Look(options, files, folder).at(num_rows)


class _Look:
    """Indexes, plans and reads; `folder` is for the indexes of joins."""

    def __init__(self, options: BuildOptions, files: AnyFiles, folder: str) -> None:
        self.files, self.staging = CountedFiles(files, folder), Staging(folder)
        definitions, self.own_files = resolve_all(options.declared, files)
        self.options = options.model_copy(update={"declared": definitions}).with_own_mixture()
        self.errors: list[tuple[str, str]] = []

    def at(self, num_rows: int | None) -> Survey:
        chosen, _ = choose_splits(self.options, self.files)
        sizes = data_bytes(self.own_files, self.files)
        try:
            slices, own = normal_slices(
                self.options, self.own_files, sizes, chosen, self.staging, self.files
            )
        except UserError as error:
            names = {each.name for each in self.options.declared}
            chosen = [each for each in chosen if each[0].id not in names]
            self.errors.append((", ".join(sorted(names)), str(error)))
            slices, own = {}, {}
        usable, indexes = self._indexed(chosen)
        packs = {each.name: pack_file(each, self.staging.root) for each in self.options.declared}
        roots = MediaRoots(
            media_roots(self.options), self.files, self.options.follow_links, packs=packs
        )
        found: list[SplitSurvey] = []
        empty: list[MissingSplit] = []
        for source_id in dict.fromkeys(source.id for source, _ in usable):
            mine = [each for each in usable if each[0].id == source_id]
            times = slices[source_id].times if source_id in slices else 1.0
            try:
                plan = make_plan(self.options, self.files, self.staging, mine, indexes | own)
                found += [self._split(each, roots, num_rows, times) for each in plan.splits]
                empty += plan.missing
            except UserError as error:
                self.errors.append((source_id, str(error)))
        return Survey(tuple(found), tuple(empty), tuple(self.errors))

    def _indexed(
        self, chosen: Sequence[tuple[Source, SplitFiles]]
    ) -> tuple[list[tuple[Source, SplitFiles]], dict[str, JsonIndex]]:
        """Index all files at once; if some cannot be used, source by source, so that the others are seen."""
        try:
            return list(chosen), index_files(self.options, self.files, chosen)
        except RawDataError:
            usable: list[tuple[Source, SplitFiles]] = []
            indexes: dict[str, JsonIndex] = {}
            for source_id in dict.fromkeys(source.id for source, _ in chosen):
                mine = [each for each in chosen if each[0].id == source_id]
                try:
                    found = index_files(self.options, self.files, mine)
                except RawDataError as error:
                    self.errors.append((source_id, str(error)))
                    continue
                usable += mine
                for path, index in found.items():  # sources share files, each other parts of them
                    known = indexes[path].containers if path in indexes else {}
                    indexes[path] = replace(index, containers={**known, **index.containers})
            return usable, indexes

    def _split(
        self, plan: SplitPlan, roots: MediaRoots, num_rows: int | None, times: float
    ) -> SplitSurvey:
        ranges = plan.ranges if num_rows is None else choose_ranges(plan, num_rows)
        stager = SplitStager(plan, self.options, roots, self.files, self.staging)
        rows = round(plan.rows * times)
        found = SplitSurvey(plan.source, plan.split, plan.layout_name, rows)
        found.rejected.update(plan.rejected)
        media = MediaStage(roots, _only_checked(self.options), None)
        for planned in ranges:
            work = _MediaOnly(stager, planned, media)
            work.run()
            found.seen += planned.rows
            found.read += work.num_examples + work.read
            found.filtered += work.filtered.total()
            for each in work.rejections:
                found.rejected[each.reason.value] += 1
                found.first.setdefault(each.reason.value, each.message)
        return found


def _only_checked(options: BuildOptions) -> BuildOptions:
    """Return options under which images are checked, missing ones too, and none is kept."""
    return options.model_copy(update={"images": "reference", "missing_images": "reject"})


class _MediaOnly(RangeWork):
    """Checks the images of examples and renders nothing."""

    num_examples = 0

    def accept(self, example: Example, position: int) -> None:
        self.media.prepare(example)
        self.num_examples += 1


def _size(path: str, files: AnyFiles) -> int:
    names = files.match(path) if "*" in path else [path]
    return sum(files.size(each) for each in names if _is_file(each, files))


def _is_file(path: str, files: AnyFiles) -> bool:
    return files.exists(path) and not os.path.isdir(path)
