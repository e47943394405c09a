import json
from typing import Any

import pytest

from datagen.errors import RawDataError
from datagen.schema.answers import Answer

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["gqa"]}


def question(**changes: Any) -> dict[str, Any]:
    row = {
        "semantic": [{"operation": "select", "dependencies": [], "argument": "table (0)"}],
        "entailed": ["05515937"],
        "equivalent": ["05515938"],
        "question": "What is on the table?",
        "imageId": "n578564",
        "isBalanced": True,
        "groups": {"global": "thing", "local": "14-table_on,s"},
        "answer": "picture",
        "semanticStr": "select: table (0)",
        "annotations": {"answer": {"0": "12"}, "question": {}, "fullAnswer": {"1": "12"}},
        "types": {"detailed": "relS", "semantic": "rel", "structural": "query"},
        "fullAnswer": "The image is on the table.",
    }
    return row | changes


def write(raw: Any, rows: dict[str, Any], split: str = "testdev") -> None:
    raw.json(f"gqa/{split}_balanced_questions.json", rows)


def test_a_question_is_named_by_its_key(raw: Any, build: Any) -> None:
    write(raw, {"05515938": question()})
    (record,) = build(**KEEP).records("gqa", "test_dev")
    assert record.record_id == "gqa/test_dev/05515938"
    assert record.question == "What is on the table?"
    assert record.answers == (Answer("picture", 1),)
    assert (record.target, record.references) == ("picture", ("picture",))
    assert record.tags == {
        "structural": "query",
        "semantic": "rel",
        "detailed": "relS",
        "global_group": "thing",
        "full_answer": "The image is on the table.",
    }
    assert record.group_id == "gqa:n578564"
    assert [image.path for image in record.images] == ["gqa/n578564.jpg"]
    assert record.instruction == "Question: What is on the table? Short answer: "


def test_what_is_not_balanced_is_filtered(raw: Any, build: Any) -> None:
    write(raw, {"1": question(), "2": question(isBalanced=False)}, split="val")
    entry = build(**KEEP).manifest.split("gqa", "val")
    assert (entry.rows, entry.written, entry.filtered) == (2, 1, {"not_balanced": 1})
    assert entry.rejected == {}


def test_answers_of_the_test_split_are_hidden(raw: Any, build: Any) -> None:
    rows = {
        "1": {"question": "Is it red?", "imageId": "77", "isBalanced": True},
        "2": question(),
    }
    write(raw, rows, split="test")
    records = {r.record_id: r for r in build(**KEEP).records("gqa", "test")}
    bare, full = records["gqa/test/1"], records["gqa/test/2"]
    for record in (bare, full):
        assert (record.answers, record.target, record.references) == (None, None, None)
    assert bare.tags is None
    assert "full_answer" not in full.tags


def test_what_a_row_lacks_of_its_types_is_absent(raw: Any, build: Any) -> None:
    row = question(groups={"global": None, "local": None}, types={"semantic": "attr"})
    del row["fullAnswer"], row["isBalanced"]
    write(raw, {"1": row}, split="train")
    (record,) = build(**KEEP).records("gqa", "train")
    assert record.tags == {"semantic": "attr"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"question": ""}, "empty_text"),
        ({"imageId": ""}, "empty_text"),
        ({"imageId": 2_405_722}, "malformed_row"),
        ({"imageId": "../x"}, "unsafe_path"),
        ({"answer": " "}, "no_answers"),
        ({"answer": None}, "no_answers"),
        ({"answer": True}, "malformed_row"),
    ],
)
def test_a_bad_question_is_rejected_alone(
    raw: Any, build: Any, changes: dict[str, Any], reason: str
) -> None:
    write(raw, {"1": question(), "2": question(**changes), "3": question()})
    building = build(**KEEP)
    (rejection,) = building.rejections("gqa")
    assert (rejection.row, rejection.reason) == (1, reason)
    assert len(building.records("gqa", "test_dev")) == 2


def test_a_key_that_is_there_twice_is_used_once(raw: Any, build: Any) -> None:
    first, second = (json.dumps(question(answer=answer)) for answer in ("cup", "jug"))
    raw.write("gqa/testdev_balanced_questions.json", f'{{"1": {first}, "1": {second}}}')
    building = build(**KEEP)
    (record,) = building.records("gqa", "test_dev")
    assert record.target == "cup"
    assert [each.reason for each in building.rejections("gqa")] == ["duplicate_id"]


def test_lavis_list_of_the_same_name_is_refused(raw: Any, build: Any) -> None:
    row = {"question": "Is it red?", "answer": "no", "image": "1.jpg", "question_id": "1"}
    raw.json("gqa/testdev_balanced_questions.json", [row])
    with pytest.raises(RawDataError, match="testdev_balanced_questions"):
        build(**KEEP)
