"""Captioning sources built of real rows: Web CapFilt, TextCaps, NoCaps and Flickr30K.

Of NoCaps, TextCaps and Flickr30K no official file is at hand whole. What there is of them, real
images, tokens, captions and lists of splits, is written into the official structure here.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

REAL = Path(__file__).resolve().parents[3].parent / "shared" / "real"
KEEP = {"missing_images": "keep", "max_reject_fraction": 0.0}

pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="the publishers' real rows are not at hand"
)


def load(path: str) -> Any:
    return json.loads((REAL / path).read_text(encoding="utf-8"))


def by_id(building: Any, source: str, split: str) -> dict[str, Any]:
    records = building.records(source, split)
    found = {record.record_id.split("/", 2)[2]: record for record in records}
    assert len(found) == len(records)
    return found


def test_addresses_of_the_web_lead_to_their_images(prepare: Any) -> None:
    rows = load("web_capfilt/laion_synthetic_filtered_large.json")
    building = prepare(raw=REAL, sources=["web_capfilt"], **KEEP).run()
    entry = building.manifest.split("web_capfilt", "train")
    assert (entry.layout, entry.rejected) == ("laion_synthetic_filtered_large", {})
    records = by_id(building, "web_capfilt", "train")
    assert len(records) == len(rows) == 3
    for number, row in enumerate(rows):
        record = records[str(number)]
        name = hashlib.sha256(row["url"].encode()).hexdigest()[:32]
        assert record.images[0].path == f"web_capfilt/{name[:2]}/{name}.jpg"
        assert record.captions == (row["caption"],)
        assert record.target == row["caption"]


def test_a_row_in_textcaps_structure_is_a_caption_in_train_and_an_image_in_val(
    raw: Any, build: Any
) -> None:
    document = load("textcaps/TextCaps_0.1_schema_example.json")
    (row,) = document["data"]
    for split in ("train", "val", "test"):
        raw.json(f"textcaps/TextCaps_0.1_{split}.json", document)
    building = build(sources=["textcaps"], **KEEP)
    path = "textvqa/{}_images/011e7e629fb9ae7b.jpg"
    train = by_id(building, "textcaps", "train")[str(row["caption_id"])]
    assert train.captions == (row["caption_str"],)
    assert train.images[0].path == path.format("train")
    val = by_id(building, "textcaps", "val")[row["image_id"]]
    assert val.references == tuple(row["reference_strs"])
    assert len(val.references) == 5
    assert val.images[0].path == path.format("train")
    test = by_id(building, "textcaps", "test")[row["image_id"]]
    assert (test.references, test.images[0].path) == (None, path.format("test"))
    assert train.group_id == val.group_id == test.group_id == "openimages:011e7e629fb9ae7b"


def test_real_tokens_are_those_of_their_image(raw: Any, build: Any) -> None:
    """A mirror of TextVQA's val has the Rosetta tokens in its prompts, joined by commas."""
    tokens: dict[str, list[str]] = {}
    lines = (REAL / "textvqa/val_questions_with_rosetta_ocr.jsonl").read_text(encoding="utf-8")
    for line in lines.strip().split("\n"):
        row = json.loads(line)
        _, _, rest = row["text"].partition("\nReference OCR token: ")
        found = rest.rpartition("\nAnswer the question")[0]
        tokens[row["image"].removesuffix(".jpg")] = found.split(", ") if found else []
    rows = [{"image_id": name} for name in tokens]
    raw.json("textcaps/TextCaps_0.1_test.json", {"data": rows})
    ocr = [{"image_id": name, "ocr_tokens": texts} for name, texts in tokens.items()]
    raw.json("textcaps/TextVQA_Rosetta_OCR_v0.2_test.json", {"data": ocr})
    records = by_id(build(sources=["textcaps"], **KEEP), "textcaps", "test")
    assert len(records) == len(tokens) == 3_166
    for name, texts in tokens.items():
        kept = tuple(text.strip() for text in texts if text.strip())
        assert records[name].ocr_tokens == (kept or None)
        shown = f"OCR tokens: {', '.join(kept[:30])}. " if kept else ""
        assert records[name].instruction == f"{shown}A short image caption."
    assert max(len(record.ocr_tokens or ()) for record in records.values()) == 95
    assert any(record.ocr_tokens is None for record in records.values())


def test_the_images_of_nocaps_are_named_by_open_images(raw: Any, build: Any) -> None:
    """The real list of val's images, with captions made up here."""
    document = load("nocaps/nocaps_val_image_info.json")
    images = document["images"]
    annotations = [
        {"id": 10 * row["id"] + n, "image_id": row["id"], "caption": f"{row['id']} {n}"}
        for row in images
        for n in range(10)
    ]
    captioned = document | {"annotations": annotations}
    raw.json("nocaps/nocaps_val_4500_captions.json", captioned)
    raw.json("nocaps/nocaps_test_image_info.json", document)
    building = build(sources=["nocaps"], **KEEP)
    entry = building.manifest.split("nocaps", "val")
    assert entry.written in entry.expected.values()
    assert entry.expected_verified
    for split in ("val", "test"):
        records = by_id(building, "nocaps", split)
        assert len(records) == len(images) == 4_500
        assert len({record.group_id for record in records.values()}) == 4_500
        for row in images:
            record = records[str(row["id"])]
            assert record.images[0].path == f"nocaps/{split}/{row['file_name']}"
            assert record.group_id == f"openimages:{row['open_images_id']}"
            assert record.tags is None
            expected = tuple(f"{row['id']} {n}" for n in range(10)) if split == "val" else None
            assert record.references == expected


def entities(split: str) -> set[str]:
    """The images of a split in Flickr30k Entities, of which only test is Karpathy's too."""
    return set((REAL / f"flickr30k/entities/{split}.txt").read_text().split())


def test_captions_of_flickr30k_are_the_same_in_both_layouts(raw: Any, build: Any) -> None:
    mirror = load("flickr30k/captions_by_image_test.json")
    lavis, karpathy = [], []
    for number, (name, (*captions, path)) in enumerate(mirror.items()):
        lavis.append({"image": path, "caption": captions})
        sentences = [{"raw": text, "sentid": 5 * number + n} for n, text in enumerate(captions)]
        karpathy.append({"filename": name, "split": "test", "sentences": sentences})
    raw.json("flickr30k/flickr30k_test.json", lavis)
    one = by_id(build("one", sources=["flickr30k"], **KEEP), "flickr30k", "test")
    raw.json("flickr30k/dataset_flickr30k.json", {"images": karpathy})
    building = build("other", sources=["flickr30k"], **KEEP)
    other = by_id(building, "flickr30k", "test")
    assert one == other
    assert len(one) == len(mirror) == 1_000
    for name, (*captions, _) in mirror.items():
        record = one[name.removesuffix(".jpg")]
        assert record.references == tuple(text.strip() for text in captions)
        assert len(record.references) == 5
        assert record.images[0].path == f"flickr30k/{name}"
    entry = building.manifest.split("flickr30k", "test")
    assert entry.written in entry.expected.values()
    assert entry.expected_verified


def test_the_test_images_of_flickr30k_are_those_of_the_official_list(raw: Any, build: Any) -> None:
    """A split that Karpathy's file gives to each image is the one it is built in."""
    split_of = {name: split for split in ("train", "val", "test") for name in entities(split)}
    assert len(split_of) == 31_783
    images = [
        {"filename": f"{name}.jpg", "split": split, "sentences": [{"raw": "x", "sentid": number}]}
        for number, (name, split) in enumerate(sorted(split_of.items()))
        if split != "train" or number % 20 == 0
    ]
    raw.json("flickr30k/dataset_flickr30k.json", {"images": images})
    building = build(sources=["flickr30k"], **KEEP)
    found = {
        split: {r.group_id for r in building.records("flickr30k", split)}
        for split in ("train", "val", "test")
    }
    mirror = load("flickr30k/captions_by_image_test.json")
    assert found["test"] == {f"flickr30k:{name.removesuffix('.jpg')}" for name in mirror}
    assert found["val"] == {f"flickr30k:{name}" for name in entities("val")}
    assert found["train"] < {f"flickr30k:{name}" for name in entities("train")}
    assert len(found["train"]) > 1_000
