from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Read = Callable[[Path], Any]


@pytest.mark.parametrize("split", ["train", "val"])
def test_ten_rounds_have_a_hundred_distinct_options_with_the_answer_at_its_index(
    sample: Path, read: Read, split: str
) -> None:
    data = read(sample / f"visdial/visdial_1.0_{split}.json")["data"]
    assert len(set(data["answers"])) == len(data["answers"])
    assert len(set(data["questions"])) == len(data["questions"])
    for row in data["dialogs"]:
        assert len(row["dialog"]) == 10
        for turn in row["dialog"]:
            assert turn["answer_options"][turn["gt_index"]] == turn["answer"]
            assert len({data["answers"][place] for place in turn["answer_options"]}) == 100
            assert turn["question"] < len(data["questions"])


def test_the_answer_is_at_no_favoured_index(sample: Path, read: Read) -> None:
    dialogs = read(sample / "visdial/visdial_1.0_train.json")["data"]["dialogs"]
    places = [turn["gt_index"] for row in dialogs for turn in row["dialog"]]
    assert 40 < sum(places) / len(places) < 60


def test_test_dialogs_end_in_a_question_with_options_and_no_answer(
    sample: Path, read: Read
) -> None:
    dialogs = read(sample / "visdial/visdial_1.0_test.json")["data"]["dialogs"]
    assert len({len(row["dialog"]) for row in dialogs}) > 1
    for row in dialogs:
        *earlier, last = row["dialog"]
        assert all(set(turn) == {"question", "answer"} for turn in earlier)
        assert set(last) == {"question", "answer_options"}
        assert len(set(last["answer_options"])) == 100


def test_each_val_dialog_has_the_relevance_of_one_round(sample: Path, read: Read) -> None:
    dialogs = read(sample / "visdial/visdial_1.0_val.json")["data"]["dialogs"]
    dense = read(sample / "visdial/visdial_1.0_val_dense_annotations.json")
    assert [row["image_id"] for row in dense] == [row["image_id"] for row in dialogs]
    for row, found in zip(dialogs, dense, strict=True):
        turn = row["dialog"][found["round_id"] - 1]
        assert len(found["gt_relevance"]) == 100
        assert found["gt_relevance"][turn["gt_index"]] == 1.0
        assert sum(value > 0 for value in found["gt_relevance"]) in (2, 3)


def test_training_dialogs_are_about_coco_and_the_others_have_their_own_images(
    sample: Path, read: Read
) -> None:
    train = read(sample / "visdial/visdial_1.0_train.json")["data"]["dialogs"]
    names = {path.name for path in (sample / "images/coco").rglob("*.jpg")}
    for row in train:
        found = [f"COCO_{s}2014_{row['image_id']:012d}.jpg" in names for s in ("train", "val")]
        assert sum(found) == 1
    for split in ("val", "test"):
        folder = f"VisualDialog_{split}2018"
        dialogs = read(sample / f"visdial/visdial_1.0_{split}.json")["data"]["dialogs"]
        expected = {f"{folder}_{row['image_id']:012d}.jpg" for row in dialogs}
        found = {path.name for path in (sample / "images/visdial" / folder).iterdir()}
        assert found == expected


def test_files_have_the_official_keys_in_the_official_order(
    sample: Path, real: Path, read: Read
) -> None:
    ours, theirs = (read(folder / "visdial/visdial_1.0_val.json") for folder in (sample, real))
    assert list(ours) == list(theirs)
    assert (ours["version"], ours["split"]) == (theirs["version"], theirs["split"])
    assert list(ours["data"]) == list(theirs["data"])
    our_dialog, their_dialog = (document["data"]["dialogs"][0] for document in (ours, theirs))
    assert list(our_dialog) == list(their_dialog)
    assert list(our_dialog["dialog"][0]) == list(their_dialog["dialog"][0])
    ours, theirs = (
        read(folder / "visdial/visdial_1.0_val_dense_annotations.json") for folder in (sample, real)
    )
    assert list(ours[0]) == list(theirs[0])
