from typing import Any

import pytest

from datagen.schema.answers import Answer

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["vizwiz"]}


def question(number: int = 1, **changes: Any) -> dict[str, Any]:
    row = {
        "image": f"VizWiz_val_{number:08d}.jpg",
        "question": "What's this?  Thank you.",
        "answers": [{"answer_confidence": "yes", "answer": "beans"}] * 10,
        "answer_type": "other",
        "answerable": 1,
    }
    return row | changes


def write(raw: Any, *rows: dict[str, Any], split: str = "val") -> None:
    raw.json(f"vizwiz/{split}.json", list(rows))


def given(**counts: int) -> list[dict[str, str]]:
    return [
        {"answer": answer, "answer_confidence": "maybe"}
        for answer, count in counts.items()
        for _ in range(count)
    ]


def test_an_image_has_one_question_with_ten_answers(raw: Any, build: Any) -> None:
    answers = [*given(beans=6, unsuitable=3), {"answer": "", "answer_confidence": "no"}]
    write(raw, question(28, answers=answers))
    (record,) = build(**KEEP).records("vizwiz", "val")
    assert record.record_id == "vizwiz/val/VizWiz_val_00000028"
    assert record.group_id == "vizwiz:VizWiz_val_00000028"
    assert [image.path for image in record.images] == ["vizwiz/VizWiz_val_00000028.jpg"]
    assert record.question == "What's this?  Thank you."
    assert record.answers == (Answer("beans", 6), Answer("unsuitable", 3), Answer("", 1))
    assert len(record.references) == 10
    assert record.tags == {"answer_type": "other", "answerable": "1"}
    assert record.instruction == "Question: What's this?  Thank you. Short answer: "


def test_questions_that_cannot_be_answered_stay(raw: Any, build: Any) -> None:
    write(
        raw,
        question(answers=given(unanswerable=10), answer_type="unanswerable", answerable=0),
    )
    (record,) = build(**KEEP).records("vizwiz", "val")
    assert record.answers == (Answer("unanswerable", 10),)
    assert record.target == "unanswerable"
    assert record.tags == {"answer_type": "unanswerable", "answerable": "0"}


def test_answers_of_the_test_split_are_hidden(raw: Any, build: Any) -> None:
    row = {"image": "VizWiz_test_00000183.jpg", "question": "What is it?"}
    leaked = question() | {"image": "VizWiz_test_00000184.jpg"}
    write(raw, row, leaked, split="test")
    records = build(**KEEP).records("vizwiz", "test")
    assert len(records) == 2
    for record in records:
        assert (record.answers, record.target, record.references, record.tags) == (None,) * 4
        assert record.instruction.endswith(" Short answer: ")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"question": "  "}, "empty_text"),
        ({"image": ""}, "empty_text"),
        ({"image": "../../VizWiz_val_00000001.jpg"}, "unsafe_path"),
        ({"answers": None}, "no_answers"),
        ({"answers": []}, "no_answers"),
        ({"answers": [{"answer": " "}] * 10}, "no_answers"),
        ({"answers": ["beans"]}, "malformed_row"),
        ({"image": "VizWiz_val_00000001.jpg"}, "duplicate_id"),
    ],
)
def test_a_bad_row_is_rejected_alone(
    raw: Any, build: Any, changes: dict[str, Any], reason: str
) -> None:
    write(raw, question(1), question(2, **changes), question(3))
    building = build(**KEEP)
    (rejection,) = building.rejections("vizwiz")
    assert (rejection.row, rejection.reason) == (1, reason)
    assert len(building.records("vizwiz", "val")) == 2


@pytest.mark.parametrize("folder", ["", "val/"])
def test_images_lie_in_one_folder_or_in_one_a_split(raw: Any, build: Any, folder: str) -> None:
    write(raw, question(1), question(2, image="val\\VizWiz_val_00000002.jpg"))
    for number in (1, 2):
        raw.image(f"images/vizwiz/{folder}VizWiz_val_{number:08d}.jpg")
    building = build(sources=["vizwiz"], max_missing_fraction=1.0)
    records = building.records("vizwiz", "val")
    assert {record.images[0].path for record in records} >= {
        f"vizwiz/{folder}VizWiz_val_00000001.jpg"
    }
    if folder:
        assert {record.record_id for record in records} == {
            "vizwiz/val/VizWiz_val_00000001",
            "vizwiz/val/VizWiz_val_00000002",
        }
