from collections import Counter
from typing import Any

import pytest

from datagen.schema.answers import Answer

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["okvqa"]}


def question(number: int, image_id: int = 297_147, **changes: Any) -> dict[str, Any]:
    row = {"image_id": image_id, "question": "What is it for?", "question_id": number}
    return row | changes


def annotate(row: dict[str, Any], answers: list[tuple[str, str | None]]) -> dict[str, Any]:
    """The annotation of a question, from stemmed and raw answers; without raw ones where None."""
    return {
        "image_id": row["image_id"],
        "answer_type": "other",
        "question_type": "four",
        "question_id": row["question_id"],
        "answers": [
            {"answer_id": number, "answer_confidence": "yes", "answer": answer}
            | ({} if raw is None else {"raw_answer": raw})
            for number, (answer, raw) in enumerate(answers, start=1)
        ],
        "confidence": 3,
    }


RACE = [("race", "racing")] * 4 + [("race", "race")] * 4 + [("ride", "riding")] * 2


def write(raw: Any, rows: list[Any], annotations: list[Any], subset: str = "train2014") -> None:
    raw.json(f"okvqa/OpenEnded_mscoco_{subset}_questions.json", {"questions": rows})
    raw.json(f"okvqa/mscoco_{subset}_annotations.json", {"annotations": annotations})


def test_stemmed_and_raw_answers_are_counted_apart(raw: Any, build: Any) -> None:
    row = question(2_971_475)
    write(raw, [row], [annotate(row, RACE)])
    (record,) = build(**KEEP).records("okvqa", "train")
    assert record.record_id == "okvqa/train/2971475"
    assert record.question == "What is it for?"
    assert record.answers == (Answer("race", 8), Answer("ride", 2))
    assert record.raw_answers == (Answer("racing", 4), Answer("race", 4), Answer("riding", 2))
    assert record.references == ("race",) * 8 + ("ride",) * 2
    assert record.tags == {"question_type": "four", "answer_type": "other"}
    assert record.group_id == "coco:297147"
    assert [i.path for i in record.images] == ["coco/train2014/COCO_train2014_000000297147.jpg"]


def test_targets_are_what_annotators_wrote(raw: Any, build: Any) -> None:
    rows = [question(number) for number in range(200)]
    write(raw, rows, [annotate(row, RACE) for row in rows])
    drawn = Counter(record.target for record in build(**KEEP).records("okvqa", "train"))
    assert set(drawn) == {"racing", "race", "riding"}
    assert 55 < drawn["racing"] < 105
    assert 20 < drawn["riding"] < 60


@pytest.mark.parametrize("lacking", [[("race", None)] * 10, [*RACE[:9], ("ride", None)]])
def test_targets_are_stemmed_where_a_raw_answer_is_lacking(
    raw: Any, build: Any, lacking: Any
) -> None:
    row = question(1)
    write(raw, [row], [annotate(row, lacking)])
    (record,) = build(**KEEP).records("okvqa", "train")
    assert record.raw_answers is None
    assert record.target in {answer for answer, _ in lacking}


def test_images_lie_in_the_folder_of_their_split(raw: Any, build: Any) -> None:
    row = question(1, image_id=7)
    write(raw, [row], [annotate(row, RACE)], subset="val2014")
    (record,) = build(**KEEP).records("okvqa", "val")
    assert record.images[0].path == "coco/val2014/COCO_val2014_000000000007.jpg"
    assert record.instruction == "Question: What is it for? Short Answer:"


@pytest.mark.parametrize(
    ("changes", "annotation", "reason"),
    [
        ({"question": "\n"}, {}, "empty_text"),
        ({"image_id": 2}, {}, "inconsistent_row"),
        ({}, {"answers": []}, "no_answers"),
        ({}, {"answers": [{"answer": "race", "raw_answer": " "}]}, "no_answers"),
        ({}, {"answers": [{"answer": "race", "raw_answer": 3}]}, "malformed_row"),
        ({}, {"answers": [{"raw_answer": "racing"}]}, "malformed_row"),
        ({"question_id": 9}, {}, "no_annotation"),
    ],
)
def test_a_bad_pair_is_rejected_alone(
    raw: Any, build: Any, changes: Any, annotation: Any, reason: str
) -> None:
    rows = [question(number) for number in (1, 2, 3)]
    annotations = [annotate(row, RACE) for row in rows]
    rows[1] |= changes
    annotations[1] |= annotation
    write(raw, rows, annotations)
    building = build(**KEEP)
    assert reason in {each.reason for each in building.rejections("okvqa")}
    ids = {record.record_id for record in building.records("okvqa", "train")}
    assert ids == {"okvqa/train/1", "okvqa/train/3"}


def test_questions_without_their_annotations_are_no_split(raw: Any, build: Any) -> None:
    row = question(1)
    write(raw, [row], [annotate(row, RACE)])
    raw.json("okvqa/OpenEnded_mscoco_val2014_questions.json", {"questions": [row]})
    missing = build(**KEEP).manifest.missing
    assert "mscoco_val2014_annotations.json" in str(missing)


def test_the_question_is_asked_for_with_an_answer_as_written(raw: Any, build: Any) -> None:
    rows = [question(number, question=f"Why {number}?") for number in range(40)]
    write(raw, rows, [annotate(row, [("poni tail", "pony tail")] * 10) for row in rows])
    records = build(**KEEP | {"sources": ["okvqa_qg"]}).records("okvqa_qg", "train")
    assert len(records) == 40
    for record in records:
        assert record.target == record.question
        assert "pony tail" in record.instruction
        assert record.question not in record.instruction
