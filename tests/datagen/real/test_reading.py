"""Real rows of TextVQA, VSR and IconQA, built and compared with the files as `json` reads them."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REAL = Path(__file__).resolve().parents[3].parent / "shared" / "real"
FIRST_VAL_QUESTION = 34_602
SHOWN = re.compile(r"(.*)\nReference OCR token: ?(.*)\nAnswer the question using", re.DOTALL)

pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="the publishers' real rows are not at hand"
)


def load(path: str) -> Any:
    return json.loads((REAL / path).read_text(encoding="utf-8"))


def lines(path: str) -> list[Any]:
    text = (REAL / path).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def by_id(building: Any, source: str, split: str) -> dict[str, Any]:
    found = {r.record_id.split("/", 2)[2]: r for r in building.records(source, split)}
    assert len(found) == len(building.records(source, split))
    return found


# TextVQA: two mirrors, turned back into official rows


def shown_by_rosetta() -> dict[str, tuple[str, str, str]]:
    """Question id -> image, question and tokens joined by ", ", of all of val, in its order."""
    found = {}
    for number, row in enumerate(lines("textvqa/val_questions_with_rosetta_ocr.jsonl")):
        match = SHOWN.match(row["text"])
        assert match is not None, row
        found[str(FIRST_VAL_QUESTION + number)] = (row["question_id"], match[1], match[2])
    return found


def answers_given() -> dict[str, tuple[str, list[str]]]:
    """Question id -> image and the answers of ten annotators, of the first part of val."""
    return {
        str(row["question_id"]): (row["image_id"], [each["answer"] for each in row["answers"]])
        for row in load("textvqa/val_annotations_vqa_format.json")["annotations"]
    }


@pytest.fixture(scope="module")
def textvqa(tmp_path_factory: pytest.TempPathFactory, build_in: Callable[..., Any]) -> Any:
    """Val: the questions with answers, joined to the OCR file. Test: all of val, its own tokens."""
    raw = tmp_path_factory.mktemp("textvqa")
    (raw / "textvqa").mkdir()
    shown, answers = shown_by_rosetta(), answers_given()
    questions = load("textvqa/val_questions_vqa_format.json")["questions"]
    val = [{**row, "answers": answers[str(row["question_id"])][1]} for row in questions]
    tokens = {image_id: text.split(", ") if text else [] for image_id, _, text in shown.values()}
    rosetta = [{"image_id": name, "ocr_tokens": words} for name, words in tokens.items()]
    test = [
        {
            "question_id": int(number),
            "question": question,
            "image_id": image_id,
            "ocr_tokens": tokens[image_id],
        }
        for number, (image_id, question, _) in shown.items()
    ]
    for name, rows in (
        ("TextVQA_0.5.1_val", val),
        ("TextVQA_Rosetta_OCR_v0.2_val", rosetta),
        ("TextVQA_0.5.1_test", test),
    ):
        (raw / "textvqa" / f"{name}.json").write_text(json.dumps({"data": rows}))
    return build_in(raw, raw / "out", sources=["textvqa"], missing_images="keep")


def test_textvqa_rows_are_all_used(textvqa: Any) -> None:
    entries = textvqa.manifest.splits["textvqa"]
    assert {split: entry.written for split, entry in entries.items()} == {
        "val": 1_500,
        "test": 5_000,
    }
    assert textvqa.rejections("textvqa") == []


def test_textvqa_keeps_the_answers_of_all_ten(textvqa: Any) -> None:
    records = by_id(textvqa, "textvqa", "val")
    answers = answers_given()
    assert records.keys() == answers.keys()
    for number, (image_id, texts) in answers.items():
        record = records[number]
        given = Counter(text.strip() for text in texts)
        assert {answer.text: answer.count for answer in record.answers} == given
        assert len(record.references) == 10
        assert record.group_id == f"openimages:{image_id}"
        assert record.images[0].path == f"textvqa/train_images/{image_id}.jpg"


def test_textvqa_tokens_are_rosettas_from_either_place(textvqa: Any) -> None:
    joined, own = by_id(textvqa, "textvqa", "val"), by_id(textvqa, "textvqa", "test")
    seen: Counter[str] = Counter()
    for number, (image_id, question, text) in shown_by_rosetta().items():
        record = own[number]
        assert (record.question, record.answers) == (question.strip(), None)
        assert record.group_id == f"openimages:{image_id}"
        assert " ".join(", ".join(record.ocr_tokens or ()).split()) == " ".join(text.split())
        shown = f"OCR tokens: {', '.join((record.ocr_tokens or ())[:30])}. "
        assert record.instruction.startswith(shown if text else "Question: ")
        seen["with" if text else "without"] += 1
        seen["long"] += len(record.ocr_tokens or ()) > 30
        if number in joined:
            other = joined[number]
            assert other.ocr_tokens == record.ocr_tokens
            assert other.question.lower() == record.question.lower()
    assert min(seen.values()) > 100, seen


# VSR: the random split, as it is


@pytest.fixture(scope="module")
def vsr(tmp_path_factory: pytest.TempPathFactory, build_in: Callable[..., Any]) -> Any:
    out = tmp_path_factory.mktemp("vsr") / "out"
    return build_in(REAL, out, sources=["vsr"], missing_images="keep")


def test_vsr_counts_are_those_of_the_card(vsr: Any) -> None:
    for split, number in {"train": 7_680, "val": 1_097, "test": 2_195}.items():
        entry = vsr.manifest.split("vsr", split)
        assert (entry.layout, entry.written, entry.rejected) == ("random", number, {})
        assert entry.expected["random, 2023"] == number


@pytest.mark.parametrize(("split", "name"), [("train", "train"), ("val", "dev"), ("test", "test")])
def test_vsr_statements_are_the_files_rows(vsr: Any, split: str, name: str) -> None:
    records = by_id(vsr, "vsr", split)
    for number, row in enumerate(lines(f"vsr/random/{name}.jsonl")):
        record = records[str(number)]
        assert record.statement == row["caption"].strip()
        assert record.label is (row["label"] == 1)
        assert record.target == ("yes" if row["label"] else "no")
        address = row["image_link"].removeprefix("http://images.cocodataset.org/")
        assert [image.path for image in record.images] == [f"coco/{address}"]
        assert record.group_id == f"coco:{int(row['image'].removesuffix('.jpg'))}"
        votes = row["vote_true_validator_id"].strip("[]")
        assert record.tags.get("vote_true_validator_id", "") == votes
        assert record.tags["relation"] == row["relation"]


# IconQA: problems in their folders, with their images


@pytest.fixture(scope="module")
def iconqa(tmp_path_factory: pytest.TempPathFactory, build_in: Callable[..., Any]) -> Any:
    out = tmp_path_factory.mktemp("iconqa") / "out"
    return build_in(REAL, out, sources=["iconqa"], images="embed")


def test_iconqa_problems_are_built_with_their_images(iconqa: Any) -> None:
    folder = REAL / "iconqa/iconqa_data/iconqa/test/choose_txt"
    records = by_id(iconqa, "iconqa", "test")
    assert records.keys() == {path.name for path in folder.iterdir()}
    entry = iconqa.manifest.split("iconqa", "test")
    assert (entry.layout, entry.written) == ("folders", 25)
    assert (entry.rejected, entry.filtered) == ({}, {})
    for pid, record in records.items():
        row = load(f"iconqa/iconqa_data/iconqa/test/choose_txt/{pid}/data.json")
        assert record.question == row["question"].strip()
        assert record.choices == tuple(row["choices"])
        assert record.target == row["choices"][row["answer"]]
        assert record.tags == {"grade": row["grade"], "label": row["label"]}
        (image,) = record.images
        assert image.path == f"iconqa/iconqa_data/iconqa/test/choose_txt/{pid}/image.png"
        assert image.bytes == (folder / pid / "image.png").read_bytes()


def test_iconqa_other_tasks_decode_and_are_filtered(
    tmp_path: Path, build_in: Callable[..., Any]
) -> None:
    """The folders' rows as one `problems.json`, which could not be had."""
    rows, listed = {}, []
    for path in sorted((REAL / "iconqa/iconqa_data/iconqa/test").glob("*/*/data.json")):
        row = json.loads(path.read_text(encoding="utf-8"))
        rows[path.parent.name] = {**row, "split": "test"}
        listed += [path.parent.name] if row["ques_type"] == "choose_txt" else []
    folder = tmp_path / "iconqa/iconqa_data"
    folder.mkdir(parents=True)
    (folder / "problems.json").write_text(json.dumps(rows))
    lists = {"choose_txt_train": [], "choose_txt_val": [], "choose_txt_test": listed}
    (folder / "pid_splits.json").write_text(json.dumps(lists))
    building = build_in(tmp_path, tmp_path / "out", sources=["iconqa"], missing_images="keep")
    entry = building.manifest.split("iconqa", "test")
    assert (entry.rows, entry.written, entry.rejected) == (75, 25, {})
    assert entry.filtered == {"other_task": 50}
