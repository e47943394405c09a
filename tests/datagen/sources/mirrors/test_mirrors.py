"""Every mirror that is offered: its copy and the publisher's files give the same examples."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from datagen.build.preview import examples_in
from datagen.files import LocalFiles
from datagen.media.pack import slice_of
from datagen.schema.example import Example
from datagen.sources import SOURCE_IDS, load_source
from datagen.sources.declared.readers.files import find_files
from datagen.sources.mirrors.columns import type_name
from datagen.sources.mirrors.find import find_mirrors
from datagen.sources.mirrors.mirror import Mirrored, mirror_ids, read_mirror, reasons
from datagen.sources.mirrors.rows import MirrorRows

PARENTS = {"vqav2_qg": "vqav2", "okvqa_qg": "okvqa", "aokvqa_qg": "aokvqa"}
LACKS = {
    "textcaps": {"ocr_tokens"},
    "aokvqa": {"group_id"},
    "aokvqa_qg": {"group_id"},
    "nocaps": {"tags"},
    "vizwiz": {"tags"},
    "gqa": {"tags"},
    "iconqa": {"context"},
    "scienceqa": {"example_id", "group_id"},
}
"""Fields that the mirror of a source cannot give."""


def publishers(raw: Path, scratch: Path, source: str, split: str) -> list[Example]:
    return list(examples_in(str(raw), str(scratch), source, split, 1_000_000))


def of_mirror(
    mirrored: Mirrored, limit: int | None = None
) -> tuple[dict[str, list[Example]], bytes, list[Any]]:
    """The examples by split, the packed images, and what became of the other rows."""
    pack, others = io.BytesIO(), []
    rows = MirrorRows(mirrored, LocalFiles(), pack, lambda problem: None, limit)
    found: dict[str, list[Example]] = {split: [] for split in mirrored.splits}
    for data_file in find_files(mirrored.definition, LocalFiles()):
        for split, row in rows.rows(data_file):
            for outcome in row.outcomes:
                if outcome.example is not None:
                    found[split].append(outcome.example)
                else:
                    others.append(outcome.filtered or outcome.rejected)
    rows.finish()
    return found, pack.getvalue(), others


def fields_of(example: Example, source: str) -> dict[str, Any]:
    left_out = LACKS.get(source, set()) | {"images"}
    fields = msgspec.structs.asdict(example)
    return {name: value for name, value in fields.items() if name not in left_out}


def test_every_source_has_a_mirror_or_a_reason() -> None:
    assert set(mirror_ids()) | set(reasons()) == set(SOURCE_IDS)
    assert not set(mirror_ids()) & set(reasons())
    uses = [read_mirror(each).use for each in mirror_ids()]
    assert sum("train" in use for use in uses) == 18
    assert sum("evaluate" in use for use in uses) == 13


@pytest.mark.parametrize("source", mirror_ids())
def test_a_mirror_and_the_publishers_files_give_the_same_examples(
    source: str, small_raw: Path, copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    copies = copy_of(PARENTS.get(source, source))
    (mirrored,) = find_mirrors([source], None, str(copies), LocalFiles())
    found, pack, others = of_mirror(mirrored)
    assert set(map(str, others)) <= {"no_image", "other_task"}
    for split, examples in found.items():
        expected = publishers(small_raw, tmp_path / split, source, split)
        assert examples, split
        if "example_id" not in LACKS.get(source, ()):
            ids = [example.example_id for example in examples]
            assert len(set(ids)) == len(ids)
            order = {each: place for place, each in enumerate(ids)}
            expected.sort(key=lambda example: order[example.example_id])
        assert [fields_of(e, source) for e in examples] == [fields_of(e, source) for e in expected]
        for mine, theirs in zip(examples, expected, strict=True):
            assert mine.images is not None and theirs.images is not None
            if read_mirror(source).pictures == "none":
                assert mine.images == theirs.images
            else:
                assert image(mine.images[0], pack) == published_image(theirs, small_raw)


def image(path: str, pack: bytes) -> bytes:
    packed = slice_of(path.partition("/")[2])
    assert packed is not None
    return pack[packed.offset : packed.offset + packed.length]


def published_image(example: Example, raw: Path) -> bytes:
    assert example.images is not None
    collection, _, relative = example.images[0].partition("/")
    media = {each.collection: each for each in load_source(example.source).card.media}[collection]
    folder = raw / collection if media.kind == "own" else raw / "images" / collection
    place = folder / relative
    if not place.exists():  # in a folder of its split
        (place,) = folder.glob(f"**/{place.name}")
    return place.read_bytes()


@pytest.mark.parametrize("source", ["vqav2", "flickr30k"])
def test_with_a_limit_reading_ends_when_each_split_has_its_rows(
    source: str, copy_of: Callable[[str], Path]
) -> None:
    (mirrored,) = find_mirrors([source], None, str(copy_of(source)), LocalFiles())
    found, _, _ = of_mirror(mirrored)
    limited, _, _ = of_mirror(mirrored, limit=1)
    for split, examples in limited.items():
        assert examples == found[split][: len(examples)]
        if source == "vqav2":  # else a file holds several splits
            assert len(examples) == 1


@pytest.mark.parametrize("source", mirror_ids())
def test_the_facts_of_a_mirror_say_where_they_were_read(source: str) -> None:
    mirror = read_mirror(source)
    splits = load_source(source).card.splits
    assert set(mirror.splits) <= set(splits)
    assert all(each.startswith(("hub ", "github ")) for each in mirror.read_in)
    assert mirror.revision or mirror.seen or source in ("vqav2", "vqav2_qg")
    paper = {split for split, card in splits.items() if card.used_in_paper and split != "train"}
    assert "train" in mirror.splits if "train" in mirror.use else "train" not in mirror.splits
    assert "evaluate" not in mirror.use or paper & set(mirror.splits)


def test_types_are_written_as_they_are_compared(schema_of: Callable[[str], pa.Schema]) -> None:
    for source in set(mirror_ids()) - PARENTS.keys():
        mirror = read_mirror(source)
        if mirror.kind == "parquet":
            for field in schema_of(source):
                kind = mirror.columns[field.name]
                if kind not in (None, "int", "list", "bool") and "class label" not in kind:
                    assert type_name(field.type) == kind
    nested = pa.dictionary(pa.int32(), pa.large_string())
    assert type_name(pa.large_list(nested)) == "list of string"
