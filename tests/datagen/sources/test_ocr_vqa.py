import io
import json
from typing import Any

import pytest
from PIL import Image

from datagen.errors import RawDataError
from datagen.schema.answers import Answer

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["ocr_vqa"]}
URL = "http://ecx.images-amazon.com/images/I/61Y5cOdHJbL.jpg"


def cover(**changes: Any) -> dict[str, Any]:
    row = {
        "imageURL": URL,
        "questions": ["Who wrote this book?", "What is the title of this book?"],
        "answers": ["A. Writer", "The Sea"],
        "title": "The Sea",
        "authorName": "A. Writer",
        "genre": "Travel",
        "split": 1,
    }
    return row | changes


def write(raw: Any, covers: dict[str, Any], *tokens: dict[str, Any] | str) -> None:
    raw.json("ocr_vqa/dataset.json", covers)
    if tokens:
        lines = [line if isinstance(line, str) else json.dumps(line) for line in tokens]
        raw.write("ocr_vqa/ocr_tokens.jsonl", "\n".join(lines))


def by_id(building: Any, split: str = "train") -> dict[str, Any]:
    return {r.record_id.split("/", 2)[2]: r for r in building.records("ocr_vqa", split)}


def test_every_question_on_a_cover_is_a_record(raw: Any, build: Any) -> None:
    write(raw, {"076118327X": cover()})
    building = build(**KEEP)
    records = by_id(building)
    assert set(records) == {"076118327X#q1", "076118327X#q2"}
    record = records["076118327X#q2"]
    assert record.question == "What is the title of this book?"
    assert record.answers == (Answer("The Sea", 1),)
    assert (record.target, record.references) == ("The Sea", ("The Sea",))
    assert record.images[0].path == "ocr_vqa/images/076118327X.jpg"
    assert record.group_id == "ocr_vqa:076118327X"
    assert record.tags == {"genre": "Travel"}
    assert record.ocr_tokens is None
    assert "OCR tokens" not in record.instruction
    entry = building.manifest.split("ocr_vqa", "train")
    assert (entry.layout, entry.rows, entry.written) == ("official", 1, 2)


def test_a_cover_whose_gif_is_kept_as_jpg_is_found(raw: Any, build: Any) -> None:
    write(raw, {"076118327X": cover(imageURL=URL.replace(".jpg", ".gif"))})
    data = io.BytesIO()
    Image.new("RGB", (6, 8)).save(data, "GIF")
    raw.write("ocr_vqa/images/076118327X.jpg", data.getvalue())
    building = build(sources=["ocr_vqa"], images="embed")
    for record in by_id(building).values():
        assert record.images[0].path == "ocr_vqa/images/076118327X.jpg"
        assert record.images[0].bytes == data.getvalue()


def test_splits_are_numbers(raw: Any, build: Any) -> None:
    write(raw, {str(n): cover(split=n) for n in (1, 2, 3, 4)})
    building = build(**KEEP)
    for number, split in enumerate(("train", "val", "test"), start=1):
        assert set(by_id(building, split)) == {f"{number}#q1", f"{number}#q2"}
    (rejection,) = building.rejections("ocr_vqa")
    assert (rejection.row, rejection.reason) == (3, "unknown_split")


def test_ids_that_begin_with_zeros_stay_apart(raw: Any, build: Any) -> None:
    write(raw, {"0761": cover(), "761": cover()}, {"image_id": "0761", "ocr_tokens": ["SEA"]})
    records = by_id(build(**KEEP))
    assert set(records) == {"0761#q1", "0761#q2", "761#q1", "761#q2"}
    assert records["0761#q1"].ocr_tokens == ("SEA",)
    assert records["761#q1"].ocr_tokens is None


@pytest.mark.parametrize(
    ("url", "extension"),
    [
        (URL, ".jpg"),
        ("http://x/y.z/51aB.gif", ".gif"),
        ("http://x/51aB.PNG", ".PNG"),
    ],
)
def test_the_image_has_the_extension_of_its_address(
    raw: Any, build: Any, url: str, extension: str
) -> None:
    write(raw, {"1": cover(imageURL=url)})
    records = by_id(build(**KEEP))
    assert {r.images[0].path for r in records.values()} == {f"ocr_vqa/images/1{extension}"}


def test_tokens_of_the_optional_file_stand_in_front(raw: Any, build: Any) -> None:
    lines = [
        {"image_id": "1", "ocr_tokens": ["THE", " SEA\n", "", "a b"]},
        "",
        {"image_id": "2", "ocr_tokens": []},
        {"image_id": "9", "ocr_tokens": ["of no cover"]},
    ]
    write(raw, {"1": cover(), "2": cover()}, *lines)
    building = build(**KEEP)
    records = by_id(building)
    assert records["1#q1"].ocr_tokens == ("THE", "SEA", "a b")
    assert records["1#q1"].instruction.startswith("OCR tokens: THE, SEA, a b. ")
    assert records["2#q1"].ocr_tokens is None
    assert building.manifest.split("ocr_vqa", "train").layout == "with_ocr_tokens"
    assert set(building.manifest.inputs["ocr_vqa"]) == {"dataset.json", "ocr_tokens.jsonl"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"image_id": "1"', "line 2: "),
        ('{"image_id": "1", "ocr_tokens": "THE SEA"}', "line 2: Expected `array`, got `str`"),
        ('{"image_id": "0", "ocr_tokens": []}', "line 2 is the second one with image_id '0'"),
    ],
)
def test_a_broken_token_file_stops_the_build(raw: Any, build: Any, line: str, message: str) -> None:
    write(raw, {"1": cover()}, {"image_id": "0", "ocr_tokens": ["A"]}, line)
    with pytest.raises(RawDataError, match=rf"ocr_tokens.jsonl cannot be used as ocr: {message}"):
        build(**KEEP)


@pytest.mark.parametrize(
    ("changes", "reason", "message"),
    [
        ({"answers": ["only one"]}, "inconsistent_row", "2 questions, but 1 answers"),
        ({"questions": [], "answers": []}, "empty_text", "a cover without questions"),
        ({"imageURL": "http://x/cover"}, "malformed_row", "has no file extension"),
        ({"imageURL": None}, "malformed_row", "Expected `str`, got `null`"),
    ],
)
def test_a_bad_cover_is_rejected_alone(
    raw: Any, build: Any, changes: dict[str, Any], reason: str, message: str
) -> None:
    write(raw, {"1": cover(), "2": cover(**changes), "3": cover()})
    building = build(**KEEP)
    (rejection,) = building.rejections("ocr_vqa")
    assert (rejection.row, rejection.reason) == (1, reason)
    assert message in rejection.message
    assert set(by_id(building)) == {"1#q1", "1#q2", "3#q1", "3#q2"}


def test_a_blank_question_or_answer_costs_itself(raw: Any, build: Any) -> None:
    row = cover(questions=["Who?", " ", "When?", "Which?"], answers=["A", "B", "\n", " C "])
    write(raw, {"1": row})
    building = build(**KEEP)
    assert {name: r.target for name, r in by_id(building).items()} == {"1#q1": "A", "1#q4": "C"}
    assert [r.message for r in building.rejections("ocr_vqa")] == [
        "question 2: question is empty",
        "question 3: answer is empty",
    ]


def test_an_id_that_leads_elsewhere_is_rejected(raw: Any, build: Any) -> None:
    write(raw, {"../../x": cover(), "1": cover()})
    building = build(**KEEP)
    assert {r.reason for r in building.rejections("ocr_vqa")} == {"unsafe_path"}
    assert set(by_id(building)) == {"1#q1", "1#q2"}
