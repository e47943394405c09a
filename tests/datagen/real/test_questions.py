"""OK-VQA, A-OKVQA, VizWiz and GQA from real rows, compared with the files as `json` reads them."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.schema.record import Record

REAL = Path(__file__).resolve().parents[3].parent / "shared" / "real"
SOURCES = ("okvqa", "okvqa_qg", "aokvqa", "aokvqa_qg", "vizwiz", "gqa")
OKVQA_QUESTIONS = "OpenEnded_mscoco_val2014_questions.json"
GQA_FILES = ("questions_one_row.json", "questions_other_row.json")

pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="the publishers' real rows are not at hand"
)


def load(path: str) -> Any:
    return json.loads((REAL / path).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, build_in: Callable[..., Any]) -> Any:
    """Real questions, built without their images; OK-VQA's annotations are made up here."""
    raw = tmp_path_factory.mktemp("raw")
    for path in ("aokvqa/aokvqa_v1p0_val.json", "vizwiz/val.json", f"okvqa/{OKVQA_QUESTIONS}"):
        (raw / path).parent.mkdir()
        shutil.copyfile(REAL / path, raw / path)
    annotations = [
        {
            "image_id": row["image_id"],
            "question_id": row["question_id"],
            "answers": [{"answer": "made up", "raw_answer": "making up"}] * 10,
        }
        for row in load(f"okvqa/{OKVQA_QUESTIONS}")["questions"]
    ]
    annotated = raw / "okvqa" / "mscoco_val2014_annotations.json"
    annotated.write_text(json.dumps({"annotations": annotations}), encoding="utf-8")
    (raw / "gqa").mkdir()
    questions = raw / "gqa" / "val_balanced_questions.json"
    questions.write_text(json.dumps(gqa_rows()), encoding="utf-8")
    out = tmp_path_factory.mktemp("out")
    return build_in(raw, out, sources=SOURCES, missing_images="keep")


def gqa_rows() -> dict[str, Any]:
    """The rows of both files, as one file has them."""
    return {key: row for name in GQA_FILES for key, row in load(f"gqa/{name}").items()}


def by_id(real: Any, source: str, split: str) -> dict[str, Record]:
    """Records by their publisher's id."""
    records = real.records(source, split)
    found = {record.record_id.split("/", 2)[2]: record for record in records}
    assert len(found) == len(records)
    return found


def counts(answers: list[str]) -> Counter[str]:
    return Counter(answer.strip() for answer in answers)


def test_no_row_is_lost_and_none_rejected(real: Any) -> None:
    written, rejected, filtered = {}, {}, {}
    for source, splits in real.manifest.splits.items():
        for split, entry in splits.items():
            written[f"{source}/{split}"] = entry.written
            rejected |= entry.rejected
            filtered |= entry.filtered
    assert written == {
        "okvqa/val": 5_046,
        "okvqa_qg/val": 5_046,
        "aokvqa/val": 1_145,
        "aokvqa_qg/val": 1_145,
        "vizwiz/val": 3_172,
        "gqa/val": 1,
    }
    assert (rejected, filtered) == ({}, {"not_balanced": 1})


def test_counts_that_were_verified_are_met(real: Any) -> None:
    for source in ("okvqa", "okvqa_qg", "aokvqa", "aokvqa_qg"):
        entry = real.manifest.split(source, "val")
        assert entry.expected_verified
        assert entry.written in entry.expected.values()
    assert real.manifest.split("vizwiz", "val").written in (
        real.manifest.split("vizwiz", "val").expected.values()
    )


@pytest.mark.parametrize("source", ["okvqa", "okvqa_qg"])
def test_okvqas_questions_are_to_the_letter(real: Any, source: str) -> None:
    records = by_id(real, source, "val")
    for row in load(f"okvqa/{OKVQA_QUESTIONS}")["questions"]:
        record = records[str(row["question_id"])]
        assert record.question == row["question"].strip()
        assert record.group_id == f"coco:{row['image_id']}"
        name = f"COCO_val2014_{row['image_id']:012d}.jpg"
        assert [image.path for image in record.images] == [f"coco/val2014/{name}"]


def test_okvqas_licence_is_that_of_the_file(real: Any) -> None:
    licence = load(f"okvqa/{OKVQA_QUESTIONS}")["license"]
    assert licence["url"] == "http://creativecommons.org/licenses/by/4.0/"
    assert {record.licence for record in real.records("okvqa", "val")} == {"CC BY 4.0"}


def test_aokvqas_questions_keep_answers_and_choices(real: Any) -> None:
    records = by_id(real, "aokvqa", "val")
    blank = []
    for row in load("aokvqa/aokvqa_v1p0_val.json"):
        record = records[row["question_id"]]
        assert record.question == row["question"]
        given = {answer.text: answer.count for answer in record.answers}
        assert given == counts(row["direct_answers"])
        assert record.target in given
        assert len(record.references) == 10
        assert list(record.choices) == [choice for choice in row["choices"] if choice]
        assert record.choices[record.correct_choice] == row["choices"][row["correct_choice_idx"]]
        if len(record.choices) < 4:
            blank.append(row["question_id"])
        difficult = "true" if row["difficult_direct_answer"] else "false"
        assert record.tags == {"difficult_direct_answer": difficult}
        assert record.group_id == f"coco:{row['image_id']}"
        path = f"coco/val2017/{row['image_id']:012d}.jpg"
        assert [image.path for image in record.images] == [path]
    assert blank == ["iTeGLgJNuQjkRqeTmKwWLs"]


def test_aokvqas_questions_are_asked_for_without_choices(real: Any) -> None:
    parents = by_id(real, "aokvqa", "val")
    for number, record in by_id(real, "aokvqa_qg", "val").items():
        assert record.target == record.question == parents[number].question
        assert (record.choices, record.correct_choice) == (None, None)
        assert any(answer.text in record.instruction for answer in record.answers if answer.text)


def test_vizwizs_questions_keep_answers_and_tags(real: Any) -> None:
    records = by_id(real, "vizwiz", "val")
    types: Counter[str] = Counter()
    for row in load("vizwiz/val.json"):
        record = records[row["image"].removesuffix(".jpg")]
        assert record.question == row["question"].strip()
        given = {answer.text: answer.count for answer in record.answers}
        assert given == counts([each["answer"] for each in row["answers"]])
        assert len(record.references) == 10
        assert record.target
        assert record.tags == {
            "answer_type": row["answer_type"],
            "answerable": str(row["answerable"]),
        }
        assert [image.path for image in record.images] == [f"vizwiz/{row['image']}"]
        types[row["answer_type"]] += 1
    assert types["unanswerable"] == 1_112


def test_gqas_balanced_question_is_kept(real: Any) -> None:
    [(key, row)] = [(key, row) for key, row in gqa_rows().items() if row["isBalanced"]]
    (record,) = real.records("gqa", "val")
    assert record.record_id == f"gqa/val/{key}"
    assert (record.question, record.target) == (row["question"], row["answer"])
    assert record.references == (row["answer"],)
    assert record.tags == {
        **row["types"],
        "global_group": row["groups"]["global"],
        "full_answer": row["fullAnswer"],
    }
    assert record.group_id == f"gqa:{row['imageId']}"
    assert [image.path for image in record.images] == [f"gqa/{row['imageId']}.jpg"]


def test_gqas_image_is_there_under_its_name() -> None:
    for row in gqa_rows().values():
        assert (REAL / "images" / "gqa" / f"{row['imageId']}.jpg").is_file()
