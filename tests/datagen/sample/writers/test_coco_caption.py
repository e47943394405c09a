from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datagen.sample.world import World
from datagen.sample.writers.coco_caption import write, write_lavis, write_plain

Read = Callable[[Path], Any]


def test_the_karpathy_file_has_five_captions_an_image_and_distinct_ids(
    sample: Path, read: Read
) -> None:
    document = read(sample / "coco_caption/dataset_coco.json")
    assert document["dataset"] == "coco"
    images = document["images"]
    assert Counter(row["split"] for row in images) == {
        "train": 36,
        "restval": 2,
        "val": 5,
        "test": 5,
    }
    sentences = [sentence for row in images for sentence in row["sentences"]]
    assert len({s["sentid"] for s in sentences}) == len(sentences) == 5 * len(images)
    for number, row in enumerate(images):
        assert row["imgid"] == number
        assert row["sentids"] == [s["sentid"] for s in row["sentences"]]
        assert {s["imgid"] for s in row["sentences"]} == {number}
        assert row["filepath"] == ("train2014" if row["split"] == "train" else "val2014")
        assert row["filename"] == f"COCO_{row['filepath']}_{row['cocoid']:012d}.jpg"
        assert (sample / "images/coco" / row["filepath"] / row["filename"]).is_file()


def test_tokens_are_the_words_of_the_caption_in_lower_case(sample: Path, read: Read) -> None:
    for row in read(sample / "coco_caption/dataset_coco.json")["images"]:
        for sentence in row["sentences"]:
            plain = sentence["raw"].lower()
            for mark in ".,:":
                plain = plain.replace(mark, "")
            assert sentence["tokens"] == plain.split()


def test_all_layouts_hold_the_same_captions(tmp_path: Path, read: Read) -> None:
    world = World(seed=0, num_scenes=30)
    for write_layout in (write, write_lavis, write_plain):
        write_layout(tmp_path, world)
    folder = tmp_path / "coco_caption"
    karpathy = {
        role: [
            (f"{row['filepath']}/{row['filename']}", sentence["raw"])
            for row in read(folder / "dataset_coco.json")["images"]
            for sentence in row["sentences"]
            if row["split"] in role
        ]
        for role in (("train", "restval"), ("val",), ("test",))
    }
    lavis = read(folder / "coco_karpathy_train.json")
    assert sorted((row["image"], row["caption"]) for row in lavis) == sorted(
        karpathy["train", "restval"]
    )
    for role in ("val", "test"):
        rows = read(folder / f"coco_karpathy_{role}.json")
        pairs = [(row["image"], caption) for row in rows for caption in row["caption"]]
        assert pairs == karpathy[role,]
    plain = []
    for subset in ("train2014", "val2014"):
        document = read(folder / f"captions_{subset}.json")
        names = {row["id"]: f"{subset}/{row['file_name']}" for row in document["images"]}
        plain += [(names[row["image_id"]], row["caption"]) for row in document["annotations"]]
    assert sorted(plain) == sorted(pair for pairs in karpathy.values() for pair in pairs)


def test_other_layouts_have_the_official_keys(tmp_path: Path, real: Path, read: Read) -> None:
    world = World(seed=0, num_scenes=30)
    write_lavis(tmp_path, world)
    write_plain(tmp_path, world)
    ours, theirs = (
        read(folder / "coco_caption/coco_karpathy_val.json") for folder in (tmp_path, real)
    )
    assert list(ours[0]) == list(theirs[0])
    ours, theirs = (
        read(folder / "coco_caption/captions_train2014.json") for folder in (tmp_path, real)
    )
    assert list(ours) == list(theirs)
    for key in ("images", "licenses", "annotations"):
        assert list(ours[key][0]) == list(theirs[key][0])
    assert list(ours["info"]) == list(theirs["info"])
