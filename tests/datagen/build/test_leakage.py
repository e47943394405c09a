from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.build.digests import write_digests
from datagen.build.leakage import TEXT_COLUMNS, ShardDigests, find_leaks
from datagen.files import LocalFiles
from datagen.schema.manifest import Leak, Leakage
from datagen.schema.record import SCHEMA


@pytest.fixture
def split(tmp_path: Path) -> Any:
    """A split of these rows, in as many shards as there are lists."""

    def split(name: str, *shards: Sequence[Mapping[str, Any]]) -> list[ShardDigests]:
        made = []
        for number, rows in enumerate(shards):
            path = f"{tmp_path}/{name}-{number}"
            schema = pa.schema([SCHEMA.field(c) for c in ("group_id", *TEXT_COLUMNS)])
            table = pa.Table.from_pylist(list(rows), schema=schema)
            pq.write_table(table, f"{path}.parquet")
            groups = write_digests(table["group_id"].to_pylist(), f"{path}.groups", LocalFiles())
            made.append(ShardDigests(f"{path}.parquet", groups, f"{path}.texts"))
        return made

    return split


Splits = Mapping[str, Sequence[ShardDigests]]


def leaks_of(training: Splits, evaluation: Splits, max_bytes: int = 1 << 20) -> Leakage:
    """Compared in one range, unless `max_bytes` asks for more."""
    splits = {**training, **evaluation}
    return find_leaks(splits, training, evaluation, LocalFiles(), max_bytes)[1]


def test_sets_without_a_common_image_are_clean(split: Any) -> None:
    train = split("a", [{"group_id": "coco:1", "question": "red?"}])
    val = split("b", [{"group_id": "coco:2", "question": "red?"}])
    leakage = leaks_of({"vqav2/train": train}, {"vqav2/val": val})
    assert (leakage.verdict, leakage.leaks) == ("clean", ())


def test_a_common_image_is_reported(split: Any) -> None:
    train = split("a", [{"group_id": "coco:1", "question": "red?"}], [{"group_id": "coco:2"}])
    val = split("b", [{"group_id": "coco:2", "captions": ["a bus"]}, {"group_id": "coco:3"}])
    leakage = leaks_of({"vqav2/train": train}, {"coco_caption/val": val})
    assert leakage.verdict == "images_shared"
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
def test_the_same_text_about_the_same_image_is_an_example(
    split: Any, one: dict[str, Any], other: dict[str, Any], examples: int
) -> None:
    train = split("a", [{"group_id": "coco:1", **one}])
    val = split("b", [{"group_id": "coco:1", **other}], [{"group_id": "coco:9", **one}])
    leakage = leaks_of({"x/train": train}, {"y/val": val})
    assert leakage.leaks[0].examples == examples
    assert leakage.verdict == ("examples_shared" if examples else "images_shared")


def test_every_pair_is_compared(split: Any) -> None:
    sets = {name: split(name, [{"group_id": "coco:1"}]) for name in "abcd"}
    leaks = leaks_of(
        {"a/train": sets["a"], "b/train": sets["b"]}, {"c/val": sets["c"], "d/val": sets["d"]}
    ).leaks
    assert [(leak.training, leak.evaluation) for leak in leaks] == [
        ("a/train", "c/val"),
        ("a/train", "d/val"),
        ("b/train", "c/val"),
        ("b/train", "d/val"),
    ]


def test_empty_splits_share_nothing(split: Any) -> None:
    full, empty = split("a", [{"group_id": "coco:1"}]), split("b")
    assert leaks_of({"a/train": full}, {"b/val": empty}).verdict == "clean"
    assert leaks_of({"b/train": empty}, {"a/val": full}).verdict == "clean"
    assert leaks_of({}, {}).verdict == "clean"
    assert leaks_of({"a/train": full}, {}).verdict == "clean"


def test_groups_are_distinct(split: Any) -> None:
    rows = [{"group_id": "coco:1"}, {"group_id": "coco:1"}, {"group_id": "coco:2"}]
    splits = {"a/train": split("a", rows, rows[:1]), "b/val": split("b")}
    assert find_leaks(splits, [], [], LocalFiles(), 1 << 20)[0] == {"a/train": 2, "b/val": 0}


@pytest.mark.parametrize("max_bytes", [1 << 20, 2_000, 100])
def test_leaks_are_the_same_however_little_memory_there_is(split: Any, max_bytes: int) -> None:
    def rows(*numbers: int, text: str = "red?") -> list[dict[str, str]]:
        return [{"group_id": f"coco:{n}", "question": text} for n in numbers]

    train = split("a", rows(*range(40)), rows(*range(20, 60)))
    same = split("b", rows(*range(50, 55)), rows(*range(70, 90)))
    other = split("c", rows(*range(0, 90, 3), text="blue?"))
    splits = {"a/train": train, "b/val": same, "c/val": other}
    counts, leakage = find_leaks(splits, ["a/train"], ["b/val", "c/val"], LocalFiles(), max_bytes)
    assert counts == {"a/train": 60, "b/val": 25, "c/val": 30}
    assert leakage.verdict == "examples_shared"
    assert leakage.leaks == (
        Leak(training="a/train", evaluation="b/val", groups=5, examples=5),
        Leak(training="a/train", evaluation="c/val", groups=20, examples=0),
    )


def test_a_group_and_a_text_do_not_run_together(split: Any) -> None:
    train = split("a", [{"group_id": "a b", "text": "c"}, {"group_id": "a", "text": "d"}])
    val = split("b", [{"group_id": "a", "text": "b c"}])
    assert leaks_of({"a/train": train}, {"b/val": val}).verdict == "images_shared"


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


def test_layouts_that_divide_images_otherwise_are_noticed(raw: Any, build: Any) -> None:
    """Karpathy's training set holds images of COCO's own val2014."""
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
