from pathlib import Path
from typing import Any

import pytest

from datagen.errors import RowRejectedError
from datagen.sample.world import World
from datagen.sample.writers.coco_caption import write_lavis, write_plain
from datagen.sources.shared.coco import coco_id

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0}


def karpathy_image(cocoid: int, split: str, *captions: str, **changes: Any) -> dict[str, Any]:
    """A row of Karpathy's file."""
    sentences = [{"raw": text, "sentid": 100 * cocoid + n} for n, text in enumerate(captions)]
    folder = "train2014" if split == "train" else "val2014"
    row = {
        "filepath": folder,
        "filename": f"COCO_{folder}_{cocoid:012d}.jpg",
        "cocoid": cocoid,
        "split": split,
        "sentences": sentences,
    }
    return row | changes


def karpathy(raw: Any, *rows: dict[str, Any]) -> None:
    raw.json("coco_caption/dataset_coco.json", {"images": rows, "dataset": "coco"})


def outcomes(building: Any) -> list[tuple[int | None, str]]:
    return [(each.row, each.reason.value) for each in building.rejections("coco_caption")]


def test_training_is_captions_and_evaluation_is_images(raw: Any, build: Any) -> None:
    karpathy(
        raw,
        karpathy_image(1, "train", "a cat", "one cat"),
        karpathy_image(2, "restval", "a dog"),
        karpathy_image(3, "val", "a bus", "the bus", "a bus"),
        karpathy_image(4, "test", "a car"),
    )
    building = build(**KEEP)
    train = {r.record_id: r for r in building.records("coco_caption", "train")}
    assert {name: r.captions for name, r in train.items()} == {
        "coco_caption/train/100": ("a cat",),
        "coco_caption/train/101": ("one cat",),
        "coco_caption/train/200": ("a dog",),
    }
    restval = train["coco_caption/train/200"]
    assert restval.images[0].path == "coco/val2014/COCO_val2014_000000000002.jpg"
    assert (restval.group_id, restval.target) == ("coco:2", "a dog")
    (val,) = building.records("coco_caption", "val")
    assert val.record_id == "coco_caption/val/3"
    assert val.captions == val.references == ("a bus", "the bus", "a bus")
    assert val.instruction == "A short image caption."


def test_a_blank_caption_costs_itself_in_training(raw: Any, build: Any) -> None:
    karpathy(
        raw, karpathy_image(1, "train", "a cat", " \r\n", "one cat"), karpathy_image(2, "train")
    )
    building = build(**KEEP)
    captions = {r.captions for r in building.records("coco_caption", "train")}
    assert captions == {("a cat",), ("one cat",)}
    blank, none = building.rejections("coco_caption")
    assert (blank.reason, blank.message) == ("empty_text", "caption 101: caption is empty")
    assert (none.reason, none.message) == ("no_answers", "image 2 has no captions")
    entry = building.manifest.split("coco_caption", "train")
    assert (entry.rows, entry.read, entry.written) == (2, 4, 2)


def test_a_blank_caption_costs_its_image_in_evaluation(raw: Any, build: Any) -> None:
    """References are all or none: a score over fewer would be another score."""
    karpathy(raw, karpathy_image(1, "val", "a cat", ""), karpathy_image(2, "val", "a dog"))
    building = build(**KEEP)
    assert [r.captions for r in building.records("coco_caption", "val")] == [("a dog",)]
    assert outcomes(building) == [(0, "empty_text")]


def test_a_caption_of_two_lines_becomes_one(raw: Any, build: Any) -> None:
    karpathy(raw, karpathy_image(1, "train", "a cat\r\non a\u2028mat "))
    (record,) = build(**KEEP).records("coco_caption", "train")
    assert record.captions == ("a cat on a mat",)


def test_an_image_of_no_known_split_is_rejected(raw: Any, build: Any) -> None:
    karpathy(raw, karpathy_image(1, "train", "a cat"), karpathy_image(2, "extra", "a dog"))
    assert outcomes(build(**KEEP)) == [(1, "unknown_split")]


@pytest.mark.parametrize(
    "changes",
    [
        {"filename": "../../../../etc/passwd"},
        {"filepath": "/etc"},
        {"filepath": ""},
        {"filepath": "a\\b"},
        {"filepath": ".."},
    ],
)
def test_a_path_that_leads_elsewhere_is_rejected(
    raw: Any, build: Any, changes: dict[str, str]
) -> None:
    karpathy(raw, karpathy_image(1, "val", "a cat", **changes), karpathy_image(2, "val", "a dog"))
    assert outcomes(build(**KEEP)) == [(0, "unsafe_path")]


def test_the_three_layouts_hold_the_same_captions(
    sample_raw: Path, referenced: Any, prepare: Any, tmp_path: Path
) -> None:
    world = World(seed=0, num_scenes=40)
    for name, write in (("lavis", write_lavis), ("captions_2014", write_plain)):
        folder = tmp_path / name
        write(folder, world)
        building = prepare(f"out-{name}", raw=folder).run()
        assert {e.layout for e in building.manifest.splits["coco_caption"].values()} == {name}
        for split in building.manifest.splits["coco_caption"]:
            if name == "captions_2014" and split == "val":
                continue  # COCO's own val2014 holds Karpathy's restval, val and test
            ours = _captions(building, split)
            karpathys = _captions(referenced, split)
            if name == "captions_2014":
                karpathys = {key for key in karpathys if "/train2014/" in key[0]}
            assert ours == karpathys
            assert len(ours) == len(building.records("coco_caption", split))


def _captions(building: Any, split: str) -> set[tuple[str, tuple[str, ...]]]:
    return {(r.images[0].path, r.captions) for r in building.records("coco_caption", split)}


def test_lavis_captions_are_numbered_by_their_row(raw: Any, build: Any) -> None:
    row = {"image": "val2014/COCO_val2014_000000000042.jpg", "caption": "a cat", "image_id": "x"}
    raw.json("coco_caption/coco_karpathy_train.json", [row, {**row, "image": "x.jpg"}, row])
    building = build(**KEEP)
    records = {r.record_id: r for r in building.records("coco_caption", "train")}
    assert set(records) == {"coco_caption/train/0", "coco_caption/train/2"}
    assert {r.group_id for r in records.values()} == {"coco:42"}
    (rejection,) = building.rejections("coco_caption")
    assert (rejection.row, rejection.message) == (1, "no COCO image id in 'x.jpg'")


def plain(raw: Any, split: str, images: list[Any], annotations: list[Any]) -> None:
    document = {"images": images, "annotations": annotations}
    raw.json(f"coco_caption/captions_{split}2014.json", document)


def image(number: int, split: str = "val2014") -> dict[str, Any]:
    return {"id": number, "file_name": f"COCO_{split}_{number:012d}.jpg", "license": 1}


def caption(number: int, image_id: int, text: Any = "a cat") -> dict[str, Any]:
    return {"id": number, "image_id": image_id, "caption": text}


def test_cocos_captions_are_joined_to_their_images(raw: Any, build: Any) -> None:
    plain(raw, "train", [image(7, "train2014")], [caption(1, 7), caption(2, 8), caption(3, 7, "b")])
    building = build(**KEEP)
    records = {r.record_id: r for r in building.records("coco_caption", "train")}
    assert set(records) == {"coco_caption/train/1", "coco_caption/train/3"}
    path = "coco/train2014/COCO_train2014_000000000007.jpg"
    assert {r.images[0].path for r in records.values()} == {path}
    assert outcomes(building) == [(1, "inconsistent_row")]


def test_cocos_val_keeps_captions_in_the_order_of_the_file(raw: Any, build: Any) -> None:
    annotations = [caption(3, 2, "b"), caption(1, 1, "x"), caption(2, 2, "a"), caption(9, 5)]
    plain(raw, "val", [image(1), image(2), image(3)], annotations)
    building = build(**KEEP)
    found = {r.record_id: r.captions for r in building.records("coco_caption", "val")}
    assert found == {"coco_caption/val/1": ("x",), "coco_caption/val/2": ("b", "a")}
    orphan, bare = building.rejections("coco_caption")
    assert (orphan.reason, orphan.row) == ("inconsistent_row", None)
    assert (bare.reason, bare.message) == ("no_answers", "image 3 has no captions")


def test_a_caption_that_cannot_be_decoded_rejects_its_image(raw: Any, build: Any) -> None:
    plain(raw, "val", [image(1), image(2)], [caption(1, 1), caption(2, 1, 5), caption(3, 2)])
    building = build(**KEEP)
    assert [r.record_id for r in building.records("coco_caption", "val")] == ["coco_caption/val/2"]
    (rejection,) = building.rejections("coco_caption")
    assert (rejection.row, rejection.reason) == (0, "malformed_row")
    assert rejection.message.startswith("its row of captions: Expected `str`, got `int`")


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("val2014/COCO_val2014_000000184613.jpg", 184_613),
        ("COCO_train2014_000000000009.jpg", 9),
        ("000000215677.jpg", 215_677),
    ],
)
def test_the_image_id_stands_at_the_end_of_its_name(path: str, number: int) -> None:
    assert coco_id(path) == number


@pytest.mark.parametrize("path", ["", "x.jpg", "COCO_9.jpg", "000000000009.png", "a/000000000009"])
def test_a_name_without_id_is_rejected(path: str) -> None:
    with pytest.raises(RowRejectedError, match="no COCO image id in"):
        coco_id(path)


def test_lavis_paths_of_2017_of_windows_and_of_other_suffixes_are_read(
    raw: Any, build: Any
) -> None:
    names = [
        "train2017/000000000042.jpg",
        "val2014\\COCO_val2014_000000000042.jpg",
        "a_000000000042.JPG",
    ]
    rows = [{"image": name, "caption": "a cat", "image_id": "x"} for name in names]
    raw.json("coco_caption/coco_karpathy_train.json", rows)
    records = build(**KEEP).records("coco_caption", "train")
    assert {record.group_id for record in records} == {"coco:42"}
    assert {record.images[0].path for record in records} == {
        "coco/train2017/000000000042.jpg",
        "coco/val2014/COCO_val2014_000000000042.jpg",
        "coco/a_000000000042.JPG",
    }
