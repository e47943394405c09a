"""Preview: examples of a raw folder or a source file, without building it, for authors of templates."""

from collections.abc import Iterator, Sequence
from itertools import islice
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

from datagen.build.options import BuildOptions
from datagen.build.plan import choose_splits, media_roots
from datagen.build.planner import index_files, make_plan
from datagen.build.stage import RangeWork, SplitStager
from datagen.build.stage_media import StagedMedia
from datagen.build.staging import Staging
from datagen.errors import OptionError, nearest
from datagen.media.media import MediaRoots
from datagen.schema.example import Example
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.normalise import Normaliser
from datagen.sources.declared.readers.data_file import DataFile
from datagen.stores.any_files import AnyFiles


class _AnyMedia:
    """Takes every image and video for present and reads none: templates do not need them."""

    reencoded = 0
    packed_bytes = 0

    def prepare(self, example: Example) -> StagedMedia:
        return StagedMedia(())

    def first_existing(self, *paths: str) -> str:
        return paths[0]

    def find_existing(self, *paths: str) -> str | None:
        return paths[0]


def examples_in(
    raw: str, scratch: str, source: str | None, split: str | None, rows: int
) -> Iterator[Example]:
    """Yield the first `rows` examples of each source (or of `source`), of `split` or its first split."""
    options = BuildOptions(
        raw=raw,
        out=scratch,
        sources=(source,) if source else None,
        splits=(split,) if split else None,
        limit=max(rows, 1) * 10,
    )
    files, staging = AnyFiles(), Staging(scratch)
    chosen, _ = choose_splits(options, files)
    first = {each.id: (each, layout) for each, layout in reversed(chosen)}
    wanted = [first[source_id] for source_id in dict.fromkeys(each.id for each, _ in chosen)]
    plan = make_plan(options, files, staging, wanted, index_files(options, files, wanted))
    roots = MediaRoots(media_roots(options), files, options.follow_links)
    for each in plan.splits:
        stager = SplitStager(each, options, roots, files, staging)
        yield from islice(_examples(stager), rows)


def own_examples(
    definition: Definition, data_files: Sequence[DataFile], split: str | None, rows: int
) -> Iterator[Example]:
    """Yield the first `rows` examples of a declared source, of `split`, `train` or its first split.

    Its images need not be there.

    Raises:
        OptionError: it has no such split.
    """
    names = definition.split_names
    wanted = split or (names[0] if "train" not in names else "train")
    if wanted not in names:
        raise OptionError(
            f"source {definition.name} has no split {wanted!r}{nearest(wanted, names)}; it has {', '.join(names)}"
        )
    with NamedTemporaryFile(prefix="visinstruct-") as pack:
        normaliser = Normaliser(definition, AnyFiles(), cast(BinaryIO, pack), lambda problem: None)
        try:
            yield from islice(_own_examples(normaliser, data_files, wanted), rows)
        finally:
            normaliser.images.close()


def _own_examples(
    normaliser: Normaliser, data_files: Sequence[DataFile], wanted: str
) -> Iterator[Example]:
    for data_file in data_files:
        for split, row in normaliser.rows(data_file):
            for outcome in row.outcomes if split == wanted else ():
                if outcome.example is not None:
                    yield outcome.example


def _examples(stager: SplitStager) -> Iterator[Example]:
    for planned in stager.plan.ranges:
        media = _AnyMedia()
        work = RangeWork(stager, planned, media, media)
        work.run()
        yield from work.examples
