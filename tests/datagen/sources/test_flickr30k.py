from pathlib import Path
from typing import Any

import pytest

from datagen.sample.world import World
from datagen.sample.writers.flickr30k import write, write_lavis

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["flickr30k"]}


def image(number: int, split: str, *captions: str) -> dict[str, Any]:
    """A row of Karpathy's file, which has no `filepath` and no COCO id."""
    sentences = [{"raw": text, "sentid": 10 * number + n} for n, text in enumerate(captions)]
    return {"filename": f"{number}.jpg", "split": split, "sentences": sentences, "imgid": 7}


def karpathy(raw: Any, *rows: dict[str, Any]) -> None:
    raw.json("flickr30k/dataset_flickr30k.json", {"images": rows, "dataset": "flickr30k"})


def outcomes(building: Any) -> list[tuple[int | None, str]]:
    return [(each.row, each.reason.value) for each in building.rejections("flickr30k")]


def by_id(building: Any, split: str) -> dict[str, Any]:
    records = building.records("flickr30k", split)
    return {r.record_id.removeprefix(f"flickr30k/{split}/"): r for r in records}


def test_training_is_captions_and_evaluation_is_images(raw: Any, build: Any) -> None:
    rows = [image(1, "train", "A man .", "Two\nmen"), image(2, "val", "A dog")]
    karpathy(raw, *rows, image(3, "test", "A bus .", "The bus", "A bus ."))
    building = build(**KEEP)
    train = by_id(building, "train")
    assert {name: r.captions for name, r in train.items()} == {
        "10": ("A man .",),
        "11": ("Two men",),
    }
    assert train["11"].images[0].path == "flickr30k/1.jpg"
    assert train["11"].group_id == "flickr30k:1"
    assert set(by_id(building, "val")) == {"2"}
    (record,) = by_id(building, "test").values()
    assert record.record_id == "flickr30k/test/3"
    assert record.captions == record.references == ("A bus .", "The bus", "A bus .")
    assert record.instruction == "A short image description: "
    assert record.task == "caption"


def test_a_blank_caption_costs_itself_in_training_and_its_image_in_evaluation(
    raw: Any, build: Any
) -> None:
    karpathy(
        raw,
        image(1, "train", "a cat", " \n"),
        image(2, "train"),
        image(3, "test", "a dog", ""),
        image(4, "test"),
        image(5, "test", "a bus"),
    )
    building = build(**KEEP)
    assert set(by_id(building, "train")) == {"10"}
    assert set(by_id(building, "test")) == {"5"}
    assert {
        (each.row, each.reason.value, each.message) for each in building.rejections("flickr30k")
    } == {
        (0, "empty_text", "caption 11: caption is empty"),
        (1, "no_answers", "image 2.jpg has no captions"),
        (2, "empty_text", "caption is empty"),
        (3, "no_answers", "image 4.jpg has no captions"),
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"filename": "../1.jpg"}, "unsafe_path"),
        ({"filename": ""}, "malformed_row"),
        ({"split": "restval"}, "unknown_split"),
        ({"sentences": None}, "malformed_row"),
        ({"filename": "5.jpg"}, "duplicate_id"),
    ],
)
def test_a_bad_image_is_rejected_alone(
    raw: Any, build: Any, changes: dict[str, Any], reason: str
) -> None:
    karpathy(raw, image(5, "test", "a cat"), image(6, "test", "a dog") | changes)
    building = build(**KEEP)
    assert set(by_id(building, "test")) == {"5"}
    assert outcomes(building) == [(1, reason)]


def test_lavis_paths_lose_their_folder(raw: Any, build: Any) -> None:
    row = {"image": "flickr30k-images/10002456.jpg", "caption": "a cat", "image_id": "10002456"}
    raw.json("flickr30k/flickr30k_train.json", [row, row | {"image": ""}, row])
    raw.json("flickr30k/flickr30k_test.json", [row | {"caption": ["a cat", "the cat"]}])
    building = build(**KEEP)
    train = by_id(building, "train")
    assert set(train) == {"0", "2"}
    assert {r.images[0].path for r in train.values()} == {"flickr30k/10002456.jpg"}
    assert outcomes(building) == [(1, "malformed_row")]
    assert by_id(building, "test")["10002456"].references == ("a cat", "the cat")


def test_karpathys_file_is_read_first(raw: Any, build: Any) -> None:
    karpathy(raw, image(1, "test", "from karpathy"))
    lavis = [{"image": "flickr30k-images/2.jpg", "caption": ["from lavis"]}]
    for split in ("val", "test"):
        raw.json(f"flickr30k/flickr30k_{split}.json", lavis)
    building = build(**KEEP)
    assert by_id(building, "test")["1"].captions == ("from karpathy",)
    assert {split: e.layout for split, e in building.manifest.splits["flickr30k"].items()} == {
        "test": "karpathy"
    }


def test_both_layouts_hold_the_same_captions(tmp_path: Path, prepare: Any) -> None:
    world = World(seed=0, num_scenes=24)
    buildings = []
    for name, write_layout in (("karpathy", write), ("lavis", write_lavis)):
        write_layout(tmp_path / name, world)
        building = prepare(f"out-{name}", raw=tmp_path / name, sources=["flickr30k"]).run()
        assert {e.layout for e in building.manifest.splits["flickr30k"].values()} == {name}
        buildings.append(building)
    for split in ("train", "val", "test"):
        one, other = (
            {(r.images[0].path, r.captions) for r in building.records("flickr30k", split)}
            for building in buildings
        )
        assert one == other
        assert one
    for split in ("val", "test"):
        one, other = (set(by_id(building, split)) for building in buildings)
        assert one == other
