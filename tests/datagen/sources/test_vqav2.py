from typing import Any

import pytest

from datagen.schema.answers import Answer

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["vqav2"]}


def test_a_question_has_all_answers_of_its_annotation(
    raw: Any, build: Any, ask: Any, annotate: Any
) -> None:
    row = ask(458_752_000, image_id=458_752, text="  What is\nthis?")
    answers = ["net", "net", "netting", "net ", "", "mesh", "net", "net", "netting", "net"]
    raw.vqa([row], [annotate(row, answers)])
    (record,) = build(**KEEP).records("vqav2", "train")
    assert record.record_id == "vqav2/train/458752000"
    assert record.question == "What is this?"
    assert record.answers == (
        Answer("net", 6),
        Answer("netting", 2),
        Answer("", 1),
        Answer("mesh", 1),
    )
    assert len(record.references) == 10
    assert record.target in ("net", "netting", "mesh")
    assert record.tags == {"question_type": "what is", "answer_type": "other"}
    assert record.group_id == "coco:458752"


@pytest.mark.parametrize(
    ("subset", "split", "folder"),
    [
        ("train2014", "train", "train2014"),
        ("val2014", "val", "val2014"),
        ("test-dev2015", "test_dev", "test2015"),
        ("test2015", "test", "test2015"),
    ],
)
def test_images_lie_in_the_folder_of_their_split(
    raw: Any, build: Any, ask: Any, subset: str, split: str, folder: str
) -> None:
    raw.vqa([ask(1, image_id=77)], subset=subset)
    (record,) = build(**KEEP).records("vqav2", split)
    assert record.images[0].path == f"coco/{folder}/COCO_{folder}_000000000077.jpg"


@pytest.mark.parametrize("subset", ["test-dev2015", "test2015"])
def test_answers_of_the_test_splits_are_hidden(raw: Any, build: Any, ask: Any, subset: str) -> None:
    raw.vqa([ask(1)], subset=subset)
    split = "test" if subset == "test2015" else "test_dev"
    (record,) = build(**KEEP).records("vqav2", split)
    assert (record.answers, record.target, record.references, record.tags) == (None,) * 4
    assert record.instruction == "Question: What is number 1? Short answer: "


@pytest.mark.parametrize(
    ("question", "annotation", "reason"),
    [
        ({"question": " "}, {}, "empty_text"),
        ({"question": "x" * 40_000}, {}, "text_too_long"),
        ({"image_id": 2}, {}, "inconsistent_row"),
        ({}, {"answers": []}, "no_answers"),
        ({}, {"answers": [{"answer": ""}] * 10}, "no_answers"),
        ({}, {"answers": [{"no": "answer"}]}, "malformed_row"),
        ({"question": None}, {}, "malformed_row"),
        ({"image_id": "1"}, {}, "malformed_row"),
    ],
)
def test_a_bad_pair_is_rejected_alone(
    raw: Any, build: Any, ask: Any, annotate: Any, question: Any, annotation: Any, reason: str
) -> None:
    rows = [ask(1), ask(2), ask(3)]
    annotations = [annotate(row) for row in rows]
    rows[1] |= question
    annotations[1] |= annotation
    raw.vqa(rows, annotations)
    building = build(**KEEP)
    (rejection,) = building.rejections("vqav2")
    assert (rejection.row, rejection.reason) == (1, reason)
    ids = {record.record_id for record in building.records("vqav2", "train")}
    assert ids == {"vqav2/train/1", "vqav2/train/3"}


def test_an_id_that_is_a_text_finds_its_question_but_is_of_another_type(
    raw: Any, build: Any, ask: Any, annotate: Any
) -> None:
    rows = [ask(1), ask(2)]
    raw.vqa(rows, [annotate(row) | {"question_id": str(row["question_id"])} for row in rows])
    building = build(**KEEP)
    assert building.manifest.split("vqav2", "train").rejected == {"malformed_row": 2}
    assert {r.message.split(" - ")[0] for r in building.rejections("vqav2")} == {
        "its row of annotations: Expected `int`, got `str`"
    }


def test_tags_that_an_annotation_lacks_are_absent(
    raw: Any, build: Any, ask: Any, annotate: Any
) -> None:
    row = annotate(ask(1))
    del row["question_type"], row["answer_type"]
    raw.vqa([ask(1)], [row])
    (record,) = build(**KEEP).records("vqav2", "train")
    assert record.tags is None
