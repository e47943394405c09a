from collections import Counter
from typing import Any

import pytest

from datagen.render import Draw, chance, evaluation
from datagen.schema.answers import Answer
from templates.library import load_templates

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["aokvqa"]}
DIRECT = ["cab"] * 7 + ["taxi"] * 2 + [""]


def question(number: int = 1, split: str = "train", **changes: Any) -> dict[str, Any]:
    row = {
        "split": split,
        "image_id": 299_207,
        "question_id": f"22MexNkBPpdZGX6sxbx{number}",
        "question": "What is awaited?",
        "choices": ["train", "delivery", "cab", "skateboarder"],
        "correct_choice_idx": 2,
        "direct_answers": DIRECT,
        "difficult_direct_answer": False,
        "rationales": ["There is luggage.", "", "A street."],
    }
    return row | changes


def write(raw: Any, *rows: dict[str, Any], split: str = "train") -> None:
    raw.json(f"aokvqa/aokvqa_v1p0_{split}.json", list(rows))


def test_a_question_has_choices_and_direct_answers(raw: Any, build: Any) -> None:
    write(raw, question())
    (record,) = build(**KEEP).records("aokvqa", "train")
    assert record.record_id == "aokvqa/train/22MexNkBPpdZGX6sxbx1"
    assert record.question == "What is awaited?"
    assert record.answers == (Answer("cab", 7), Answer("taxi", 2), Answer("", 1))
    assert record.choices == ("train", "delivery", "cab", "skateboarder")
    assert record.correct_choice == 2
    assert record.tags == {"difficult_direct_answer": "false"}
    assert record.group_id == "coco:299207"
    assert [image.path for image in record.images] == ["coco/train2017/000000299207.jpg"]


def test_stored_records_can_be_asked_with_their_choices(raw: Any, build: Any) -> None:
    write(raw, question(), split="val")
    hidden = question(2, split="test", correct_choice_idx=None, direct_answers=None)
    write(raw, hidden, split="test")
    building = build(**KEEP)
    protocol = load_templates("instruct").protocols["aokvqa.multiple_choice"]
    asked = {}
    for split in ("val", "test"):
        (record,) = building.records("aokvqa", split)
        assert record.template_id == "protocol/aokvqa"
        assert record.instruction == "Question: What is awaited? Short answer: "
        asked[split] = evaluation(
            record.example(), protocol, chance(0, 0, record.record_id), "A-OKVQA"
        )
    assert asked["val"] == Draw(
        "protocol/aokvqa.multiple_choice",
        "Question: What is awaited? Options: (a) train (b) delivery (c) cab (d) skateboarder. "
        "Short answer:",
        "cab",
        ("cab",),
    )
    assert asked["test"][:2] == asked["val"][:2]
    assert asked["test"][2:] == (None, None)


def test_both_forms_are_drawn(raw: Any, build: Any) -> None:
    write(raw, *(question(number) for number in range(200)))
    forms: Counter[str] = Counter()
    for record in build(**KEEP).records("aokvqa", "train"):
        form = record.template_id.partition(".")[0]
        forms[form] += 1
        shown = "(a) train (b) delivery (c) cab (d) skateboarder" in record.instruction
        assert shown == (form == "multiple_choice")
        if form == "multiple_choice":
            assert (record.target, record.references) == ("cab", ("cab",))
        else:
            assert record.target in ("cab", "taxi")
            assert len(record.references) == 10
    assert set(forms) == {"vqa", "multiple_choice"}
    assert 70 < forms["vqa"] < 130


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_images_are_those_of_coco_2017s_split(raw: Any, build: Any, split: str) -> None:
    write(raw, question(split=split, image_id=9), split=split)
    (record,) = build(**KEEP).records("aokvqa", split)
    assert record.images[0].path == f"coco/{split}2017/000000000009.jpg"


def test_the_test_split_shows_choices_and_hides_answers(raw: Any, build: Any) -> None:
    row = question(split="test", difficult_direct_answer=True)
    for name in ("correct_choice_idx", "direct_answers", "rationales"):
        del row[name]
    write(raw, row, question(2, split="test"), split="test")
    records = build(**KEEP).records("aokvqa", "test")
    assert len(records) == 2
    for record in records:
        assert record.choices == ("train", "delivery", "cab", "skateboarder")
        assert (record.answers, record.correct_choice) == (None, None)
        assert (record.target, record.references) == (None, None)
        assert record.instruction == "Question: What is awaited? Short answer: "
    assert {r.tags["difficult_direct_answer"] for r in records} == {"true", "false"}


@pytest.mark.parametrize(
    ("choices", "correct", "kept", "place"),
    [
        (["s", "", "b", "f"], 3, ("s", "b", "f"), 2),
        (["s", " \n", "b", "f"], 0, ("s", "b", "f"), 0),
        (["", "", "b", ""], 2, ("b",), 0),
        (["road", "air", "road", "sea"], 2, ("road", "air", "road", "sea"), 2),
    ],
)
def test_wrong_choices_that_are_blank_are_left_out(
    raw: Any, build: Any, choices: list[str], correct: int, kept: tuple[str, ...], place: int
) -> None:
    write(raw, question(choices=choices, correct_choice_idx=correct))
    (record,) = build(**KEEP).records("aokvqa", "train")
    assert (record.choices, record.correct_choice) == (kept, place)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"question": " "}, "empty_text"),
        ({"question_id": ""}, "empty_text"),
        ({"question_id": 7}, "malformed_row"),
        ({"choices": []}, "no_answers"),
        ({"choices": ["", " "], "correct_choice_idx": 0}, "no_answers"),
        ({"choices": ["a", "", "b", "c"], "correct_choice_idx": 1}, "empty_text"),
        ({"correct_choice_idx": 4}, "index_out_of_range"),
        ({"correct_choice_idx": -1}, "index_out_of_range"),
        ({"correct_choice_idx": None}, "no_answers"),
        ({"direct_answers": []}, "no_answers"),
        ({"direct_answers": None}, "no_answers"),
        ({"direct_answers": ["", " "]}, "no_answers"),
        ({"image_id": "299207"}, "malformed_row"),
        ({"question_id": "22MexNkBPpdZGX6sxbx1"}, "duplicate_id"),
    ],
)
def test_a_bad_question_is_rejected_alone(
    raw: Any, build: Any, changes: dict[str, Any], reason: str
) -> None:
    write(raw, question(1), question(2, **changes), question(3))
    building = build(**KEEP)
    (rejection,) = building.rejections("aokvqa")
    assert (rejection.row, rejection.reason) == (1, reason)
    assert len(building.records("aokvqa", "train")) == 2


def test_lavis_copies_with_an_image_field_are_read_alike(raw: Any, build: Any) -> None:
    write(raw, question(split="val") | {"image": "val2017/000000299207.jpg"}, split="val")
    (record,) = build(**KEEP).records("aokvqa", "val")
    assert record.images[0].path == "coco/val2017/000000299207.jpg"
