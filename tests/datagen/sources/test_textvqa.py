from typing import Any

import pytest

from datagen.schema.answers import Answer

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["textvqa"]}
IMAGE = "003a8ae2ef43b901"


def question(number: int, image_id: str = IMAGE, **changes: Any) -> dict[str, Any]:
    row = {
        "question_id": number,
        "question": "what is the brand of this camera?",
        "image_id": image_id,
        "image_classes": ["Cassette deck", "Camera"],
        "image_width": 1024,
        "image_height": 664,
        "answers": ["dakota"] * 6 + ["dakota digital", "dakota digital", "", "clos culombu"],
        "set_name": "val",
    }
    return row | changes


def read(image_id: str, *tokens: str) -> dict[str, Any]:
    """A row of the Rosetta file."""
    return {"image_id": image_id, "ocr_tokens": list(tokens), "ocr_info": [{"word": "x"}]}


def write(raw: Any, rows: list[Any], ocr: list[Any] | None = None, split: str = "val") -> None:
    header = {"dataset_type": split, "dataset_name": "textvqa", "dataset_version": "0.5.1"}
    raw.json(f"textvqa/TextVQA_0.5.1_{split}.json", {**header, "data": rows})
    if ocr is not None:
        raw.json(f"textvqa/TextVQA_Rosetta_OCR_v0.2_{split}.json", {**header, "data": ocr})


def by_id(building: Any, split: str = "val") -> dict[str, Any]:
    return {r.record_id.split("/", 2)[2]: r for r in building.records("textvqa", split)}


def test_a_question_has_ten_answers_and_the_words_of_its_image(raw: Any, build: Any) -> None:
    write(raw, [question(34602)], [read("other", "NO"), read(IMAGE, "DAKOTA", "DIGITAL")])
    record = by_id(build(**KEEP))["34602"]
    assert record.question == "what is the brand of this camera?"
    assert record.answers == (
        Answer("dakota", 6),
        Answer("dakota digital", 2),
        Answer("", 1),
        Answer("clos culombu", 1),
    )
    assert len(record.references) == 10
    assert record.ocr_tokens == ("DAKOTA", "DIGITAL")
    assert record.instruction == (
        "OCR tokens: DAKOTA, DIGITAL. Question: what is the brand of this camera? Short answer: "
    )
    assert record.images[0].path == f"textvqa/train_images/{IMAGE}.jpg"
    assert record.group_id == f"openimages:{IMAGE}"
    assert record.tags == {"image_classes": "Cassette deck, Camera"}


def test_all_tokens_are_kept_but_thirty_are_shown(raw: Any, build: Any) -> None:
    tokens = [f"w{number}" for number in range(45)]
    write(raw, [question(1)], [read(IMAGE, *tokens)])
    record = by_id(build(**KEEP))["1"]
    assert record.ocr_tokens == tuple(tokens)
    assert record.instruction.startswith(f"OCR tokens: {', '.join(tokens[:30])}. Question: ")


def test_a_questions_own_tokens_come_before_those_of_the_file(raw: Any, build: Any) -> None:
    rows = [question(1, ocr_tokens=["MINE"]), question(2, ocr_tokens=[]), question(3)]
    write(raw, rows, [read(IMAGE, "ROSETTA")])
    records = by_id(build(**KEEP))
    assert {name: r.ocr_tokens for name, r in records.items()} == {
        "1": ("MINE",),
        "2": None,
        "3": ("ROSETTA",),
    }


@pytest.mark.parametrize(
    "ocr", [None, [read("other", "NO")], [read(IMAGE)], [read(IMAGE, "", " \n")]]
)
def test_without_tokens_the_prompt_has_no_part_for_them(raw: Any, build: Any, ocr: Any) -> None:
    write(raw, [question(1)], ocr)
    record = by_id(build(**KEEP))["1"]
    assert record.ocr_tokens is None
    assert record.instruction.startswith("Question: ")


def test_a_token_of_two_lines_becomes_one(raw: Any, build: Any) -> None:
    write(raw, [question(1)], [read(IMAGE, " A\r\nB ", "", "C\u2028D")])
    assert by_id(build(**KEEP))["1"].ocr_tokens == ("A B", "C D")


def test_answers_of_test_are_hidden_and_its_images_lie_elsewhere(raw: Any, build: Any) -> None:
    row = question(1)
    del row["answers"]
    write(raw, [row, question(2, answers=[""] * 10)], [read(IMAGE, "DAKOTA")], split="test")
    records = by_id(build(**KEEP), "test")
    for record in records.values():
        assert (record.answers, record.target, record.references) == (None, None, None)
        assert record.ocr_tokens == ("DAKOTA",)
        assert record.images[0].path == f"textvqa/test_images/{IMAGE}.jpg"
    assert len(records) == 2


@pytest.mark.parametrize("split", ["train", "val"])
def test_train_and_val_share_a_folder(raw: Any, build: Any, split: str) -> None:
    write(raw, [question(1)], split=split)
    record = by_id(build(**KEEP), split)["1"]
    assert record.images[0].path == f"textvqa/train_images/{IMAGE}.jpg"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"question": " "}, "empty_text"),
        ({"answers": []}, "no_answers"),
        ({"answers": None}, "no_answers"),
        ({"answers": ["", " "]}, "no_answers"),
        ({"image_id": ""}, "empty_text"),
        ({"image_id": "../x"}, "unsafe_path"),
        ({"image_id": 5}, "malformed_row"),
        ({"question_id": "2"}, "malformed_row"),
        ({"question_id": 1}, "duplicate_id"),
    ],
)
def test_a_bad_question_is_rejected_alone(
    raw: Any, build: Any, changes: dict[str, Any], reason: str
) -> None:
    write(raw, [question(1), question(2, **changes), question(3)])
    building = build(**KEEP)
    (rejection,) = building.rejections("textvqa")
    assert (rejection.row, rejection.reason) == (1, reason)
    assert set(by_id(building)) == {"1", "3"}


def test_tokens_that_cannot_be_read_reject_the_questions_that_need_them(
    raw: Any, build: Any
) -> None:
    rows = [question(1), question(2, ocr_tokens=["MINE"]), question(3, "other")]
    write(raw, rows, [{"image_id": IMAGE, "ocr_tokens": "DAKOTA"}, read("other", "X")])
    building = build(**KEEP)
    (rejection,) = building.rejections("textvqa")
    assert (rejection.row, rejection.reason) == (0, "malformed_row")
    assert rejection.message.startswith("its row of ocr: Expected `array`, got `str`")
    assert set(by_id(building)) == {"2", "3"}
