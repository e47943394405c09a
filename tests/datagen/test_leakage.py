import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.files import LocalFiles
from datagen.leakage import TEXT_COLUMNS, SplitColumns, find_leaks
from datagen.manifest import Leak
from datagen.record import SCHEMA


@pytest.fixture
def columns(tmp_path: Path) -> Any:
    """The columns of a split of these rows, in as many files as there are lists."""

    def columns(name: str, *shards: Sequence[Mapping[str, Any]]) -> SplitColumns:
        paths = []
        for number, rows in enumerate(shards):
            encoded = io.BytesIO()
            schema = pa.schema([SCHEMA.field(c) for c in ("group_id", *TEXT_COLUMNS)])
            pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), encoded)
            paths.append(tmp_path / f"{name}-{number}.parquet")
            paths[-1].write_bytes(encoded.getvalue())
        return SplitColumns(LocalFiles(), [str(path) for path in paths])

    return columns


def test_sets_without_a_common_picture_are_clean(columns: Any) -> None:
    train = columns("a", [{"group_id": "coco:1", "question": "red?"}])
    val = columns("b", [{"group_id": "coco:2", "question": "red?"}])
    leakage = find_leaks({"vqav2/train": train}, {"vqav2/val": val})
    assert (leakage.verdict, leakage.leaks) == ("clean", ())


def test_a_common_picture_is_reported(columns: Any) -> None:
    train = columns("a", [{"group_id": "coco:1", "question": "red?"}], [{"group_id": "coco:2"}])
    val = columns("b", [{"group_id": "coco:2", "captions": ["a bus"]}, {"group_id": "coco:3"}])
    leakage = find_leaks({"vqav2/train": train}, {"coco_caption/val": val})
    assert leakage.verdict == "pictures_shared"
    assert leakage.leaks == (
        Leak(training="vqav2/train", evaluation="coco_caption/val", groups=1, examples=0),
    )


@pytest.mark.parametrize(
    ("one", "other", "examples"),
    [
        ({"question": "Is it red?"}, {"question": " is  it RED? "}, 1),
        ({"question": "Is it red?"}, {"question": "Is it blue?"}, 0),
        ({"statement": "It is."}, {"statement": "it is."}, 1),
        ({"text": "MEME"}, {"text": "meme"}, 1),
        ({"captions": ["a", "b", "c"]}, {"captions": ["C", "d", "A"]}, 2),
        ({"captions": []}, {"captions": None}, 0),
    ],
)
def test_the_same_text_about_the_same_picture_is_an_example(
    columns: Any, one: dict[str, Any], other: dict[str, Any], examples: int
) -> None:
    train = columns("a", [{"group_id": "coco:1", **one}])
    val = columns("b", [{"group_id": "coco:1", **other}], [{"group_id": "coco:9", **one}])
    leakage = find_leaks({"x/train": train}, {"y/val": val})
    assert leakage.leaks[0].examples == examples
    assert leakage.verdict == ("examples_shared" if examples else "pictures_shared")


def test_every_pair_is_compared(columns: Any) -> None:
    sets = {name: columns(name, [{"group_id": "coco:1"}]) for name in "abcd"}
    leaks = find_leaks(
        {"a/train": sets["a"], "b/train": sets["b"]}, {"c/val": sets["c"], "d/val": sets["d"]}
    ).leaks
    assert [(leak.training, leak.evaluation) for leak in leaks] == [
        ("a/train", "c/val"),
        ("a/train", "d/val"),
        ("b/train", "c/val"),
        ("b/train", "d/val"),
    ]


def test_empty_splits_share_nothing(columns: Any) -> None:
    full, empty = columns("a", [{"group_id": "coco:1"}]), columns("b")
    assert find_leaks({"a/train": full}, {"b/val": empty}).verdict == "clean"
    assert find_leaks({"b/train": empty}, {"a/val": full}).verdict == "clean"
    assert find_leaks({}, {}).verdict == "clean"
    assert find_leaks({"a/train": full}, {}).verdict == "clean"


def test_groups_are_distinct(columns: Any) -> None:
    rows = [{"group_id": "coco:1"}, {"group_id": "coco:1"}, {"group_id": "coco:2"}]
    assert sorted(columns("a", rows, rows[:1]).groups().to_pylist()) == ["coco:1", "coco:2"]
    assert len(columns("b").groups()) == 0


def test_the_sample_is_clean(referenced: Any) -> None:
    assert referenced.manifest.leakage.verdict == "clean"


def test_a_build_that_trains_on_what_it_evaluates_says_so(raw: Any, build: Any, ask: Any) -> None:
    raw.coco(1)
    raw.coco(1, folder="val2014")
    raw.vqa([ask(1), ask(2)])
    raw.vqa([ask(1), ask(3)], subset="val2014")
    leakage = build("a", sources=["vqav2"]).manifest.leakage
    assert leakage.verdict == "examples_shared"
    assert leakage.leaks == (
        Leak(training="vqav2/train", evaluation="vqav2/val", groups=1, examples=1),
    )
    both = {"splits": {"vqav2": ["train", "val"]}}
    assert build("b", sources=["vqav2"], mixture=both).manifest.leakage.verdict == "clean"


def test_layouts_that_divide_pictures_otherwise_are_noticed(raw: Any, build: Any) -> None:
    """Karpathy's training set holds pictures of COCO's own val2014."""
    raw.coco(1, 2, folder="val2014")
    raw.coco(3)
    names = [f"val2014/COCO_val2014_{n:012d}.jpg" for n in (1, 2)]
    train = [{"image": name, "caption": "a bus"} for name in names[:1]]
    train.append({"image": f"train2014/COCO_train2014_{3:012d}.jpg", "caption": "a dog"})
    raw.json("coco_caption/coco_karpathy_train.json", train)
    captions = [{"id": n, "image_id": n, "caption": "A bus"} for n in (1, 2)]
    images = [{"id": n, "file_name": name.split("/")[1]} for n, name in enumerate(names, start=1)]
    document = {"images": images, "annotations": captions}
    raw.json("coco_caption/captions_val2014.json", document)
    leakage = build().manifest.leakage
    assert leakage.verdict == "examples_shared"
    assert leakage.leaks == (
        Leak(training="coco_caption/train", evaluation="coco_caption/val", groups=1, examples=1),
    )
