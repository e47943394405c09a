"""Builds of real rows of the publishers' files, compared with the files as plain `json` reads them."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.files import LocalFiles
from datagen.media.media import MediaRoots, inspect_image, needs_reencoding
from datagen.schema.record import Record

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "real"
SOURCES = ("vqav2", "vqav2_qg", "coco_caption", "scienceqa", "visdial", "msvd_qa")
EXPECTED = {
    "vqav2/train": 8_977,
    "vqav2_qg/train": 8_977,
    "coco_caption/train": 4,
    "coco_caption/val": 5_000,
    "scienceqa/train": 22,
    "scienceqa/val": 21,
    "scienceqa/test": 24,
    "visdial/val": 970,
    "msvd_qa/val": 6_415,
    "msvd_qa/test": 13_157,
}

pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="the publishers' real rows are not at hand"
)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, build_in: Callable[..., Any]) -> Any:
    """The six sources, built without their images."""
    out = tmp_path_factory.mktemp("real")
    return build_in(REAL, out, sources=SOURCES, missing_images="keep")


def load(path: str) -> Any:
    return json.loads((REAL / path).read_text(encoding="utf-8"))


def by_id(real: Any, source: str, split: str) -> dict[str, Record]:
    """Records by their publisher's id."""
    records = real.records(source, split)
    found = {record.record_id.split("/", 2)[2]: record for record in records}
    assert len(found) == len(records)
    return found


def same(ours: str | None, theirs: str) -> bool:
    """Equal to the letter but for white space at the ends, or where breaks or tabs were in it."""
    if ours is None or theirs.isprintable():
        return (ours or "") == theirs.strip()
    return ours.split() == theirs.split()


def test_no_row_is_lost_and_none_rejected(real: Any) -> None:
    entries = {
        f"{source}/{split}": entry
        for source, splits in real.manifest.splits.items()
        for split, entry in splits.items()
    }
    assert {name: entry.written for name, entry in entries.items()} == EXPECTED
    assert {name: dict(e.rejected) for name, e in entries.items() if e.rejected} == {}
    assert real.manifest.leakage.verdict == "clean"
    problems = load("scienceqa/problems.json").values()
    for split in ("train", "val", "test"):
        without = sum(row["split"] == split and not row["image"] for row in problems)
        assert entries[f"scienceqa/{split}"].filtered == {"no_image": without}
        assert entries[f"scienceqa/{split}"].rows == 50


def test_counts_that_were_verified_are_met(real: Any) -> None:
    met = []
    for source, splits in real.manifest.splits.items():
        for split, entry in splits.items():
            if entry.expected_verified:
                assert entry.written in entry.expected.values()
                met.append(f"{source}/{split}")
    assert met == ["msvd_qa/val", "msvd_qa/test"]


def test_questions_have_the_answers_of_all_ten_annotators(real: Any) -> None:
    questions = load("vqav2/v2_OpenEnded_mscoco_train2014_questions.json")["questions"]
    rows = load("vqav2/v2_mscoco_train2014_annotations.json")["annotations"]
    annotations = {row["question_id"]: row for row in rows}
    records = by_id(real, "vqav2", "train")
    assert len(records) == len(questions)
    for row in questions:
        record, annotation = records[str(row["question_id"])], annotations[row["question_id"]]
        assert same(record.question, row["question"])
        given = Counter(each["answer"].strip() for each in annotation["answers"])
        assert {answer.text: answer.count for answer in record.answers} == given
        assert [answer.text for answer in record.answers] == list(given)
        assert sum(given.values()) == len(record.references) == 10
        assert record.target in given
        assert record.tags == {
            "question_type": annotation["question_type"],
            "answer_type": annotation["answer_type"],
        }
        name = f"COCO_train2014_{row['image_id']:012d}.jpg"
        assert [image.path for image in record.images] == [f"coco/train2014/{name}"]
        assert record.group_id == f"coco:{row['image_id']}"


def test_answers_are_drawn_as_often_as_given(real: Any) -> None:
    """Over all questions, the most common answer is the target as often as its share predicts."""
    records = real.records("vqav2", "train")
    expected = sum(max(a.count for a in r.answers) / 10 for r in records)
    drawn = sum(
        next(a.count for a in r.answers if a.text == r.target) == max(a.count for a in r.answers)
        for r in records
    )
    ties = sum(
        [a.count for a in r.answers].count(max(a.count for a in r.answers)) > 1 for r in records
    )
    assert expected * 0.98 < drawn < expected * 1.02 + ties


def test_questions_are_asked_for_with_one_of_their_answers(real: Any) -> None:
    parents = by_id(real, "vqav2", "train")
    for number, record in by_id(real, "vqav2_qg", "train").items():
        parent = parents[number]
        assert record.target == record.question == parent.question
        assert record.answers == parent.answers
        assert any(answer.text in record.instruction for answer in parent.answers if answer.text)


def test_captions_are_those_of_karpathys_images(real: Any) -> None:
    rows = load("coco_caption/coco_karpathy_val.json")
    records = {record.images[0].path: record for record in real.records("coco_caption", "val")}
    assert len(records) == len(rows)
    for row in rows:
        record = records[f"coco/{row['image']}"]
        assert len(record.captions) == len(row["caption"])
        assert all(map(same, record.captions, row["caption"]))
        assert record.references == record.captions
        assert record.target in record.captions
    assert Counter(len(record.captions) for record in records.values()) == {5: 4_990, 6: 10}


def test_references_are_those_of_the_official_file(real: Any) -> None:
    expected = defaultdict(list)
    for row in load("coco_caption/coco_karpathy_val_gt.json")["annotations"]:
        expected[f"coco:{row['image_id']}"].append(row["caption"])
    found = {record.group_id: record.references for record in real.records("coco_caption", "val")}
    assert found.keys() == expected.keys()
    assert sum(len(references) for references in found.values()) == 25_010
    for group, references in found.items():
        assert len(references) == len(expected[group])
        assert all(map(same, references, expected[group]))


def test_cocos_own_file_gives_one_record_a_caption(real: Any) -> None:
    document = load("coco_caption/captions_train2014.json")
    names = {row["id"]: row["file_name"] for row in document["images"]}
    records = by_id(real, "coco_caption", "train")
    assert len(records) == len(document["annotations"]) == 4
    for row in document["annotations"]:
        record = records[str(row["id"])]
        assert record.images[0].path == f"coco/train2014/{names[row['image_id']]}"
        assert (record.captions, record.target) == ((row["caption"],), row["caption"])
        assert record.group_id == f"coco:{row['image_id']}"


def test_problems_with_an_image_keep_choices_hint_and_tags(real: Any) -> None:
    seen = Counter()
    for pid, row in load("scienceqa/problems.json").items():
        records = by_id(real, "scienceqa", row["split"])
        if not row["image"]:
            assert pid not in records
            seen["without image"] += 1
            continue
        record = records[pid]
        assert same(record.question, row["question"])
        assert len(record.choices) == len(row["choices"])
        assert all(map(same, record.choices, row["choices"]))
        assert record.correct_choice == row["answer"]
        assert record.target == record.choices[row["answer"]]
        assert record.references == (record.target,)
        assert same(record.context, row["hint"])
        assert (record.context is None) == (not row["hint"])
        assert ("Context: " in record.instruction) == bool(row["hint"])
        assert record.tags == {
            name: row[name] for name in ("subject", "topic", "category", "skill", "grade", "task")
        }
        assert [image.path for image in record.images] == [
            f"scienceqa/{row['split']}/{pid}/image.png"
        ]
        seen["with hint" if row["hint"] else "without hint"] += 1
    assert seen == {"without image": 83, "with hint": 53, "without hint": 14}


def test_rounds_point_into_the_tables(real: Any) -> None:
    data = load("visdial/visdial_1.0_val.json")["data"]
    questions, answers = data["questions"], data["answers"]
    records = by_id(real, "visdial", "val")
    assert len(records) == 10 * len(data["dialogs"])
    for dialog in data["dialogs"]:
        history: list[tuple[str, str]] = []
        for number, each in enumerate(dialog["dialog"], start=1):
            record = records[f"{dialog['image_id']}#round{number}"]
            assert same(record.question, questions[each["question"]])
            assert [(answer.text, answer.count) for answer in record.answers] == [
                (answers[each["answer"]].strip(), 1)
            ]
            assert [*record.candidates] == [answers[n].strip() for n in each["answer_options"]]
            assert len(record.candidates) == 100
            assert record.correct_choice == each["gt_index"]
            assert record.candidates[record.correct_choice] == record.target
            assert [(turn.question, turn.answer) for turn in record.dialog or ()] == history
            assert record.captions == (dialog["caption"].strip(),)
            path = (
                f"visdial/VisualDialog_val2018/VisualDialog_val2018_{dialog['image_id']:012d}.jpg"
            )
            assert [image.path for image in record.images] == [path]
            assert record.group_id == f"visdial:{dialog['image_id']}"
            history.append((record.question, record.target))


def test_relevance_is_on_its_round_only(real: Any) -> None:
    dense = {
        f"{row['image_id']}#round{row['round_id']}": row["gt_relevance"]
        for row in load("visdial/visdial_1.0_val_dense_annotations.json")
    }
    records = by_id(real, "visdial", "val")
    assert {name for name, record in records.items() if record.relevance is not None} == set(dense)
    assert len(dense) == 97
    for name, relevance in dense.items():
        assert records[name].relevance == pytest.approx(relevance)
        assert len(relevance) == len(records[name].candidates)


@pytest.mark.parametrize("split", ["val", "test"])
def test_clips_are_those_of_the_mapping(real: Any, split: str) -> None:
    lines = (REAL / "msvd_qa/youtube_mapping.txt").read_text().splitlines()
    clips = {number: clip for clip, number in (line.split() for line in lines)}
    records = by_id(real, "msvd_qa", split)
    rows = load(f"msvd_qa/{split}_qa.json")
    assert len(records) == len(rows)
    for row in rows:
        record = records[str(row["id"])]
        clip = clips[f"vid{row['video_id']}"]
        assert (record.video.path, record.video.frame_times) == (f"msvd/{clip}.avi", None)
        assert record.group_id == f"msvd:{clip}"
        assert record.images is None
        assert same(record.question, row["question"])
        assert record.target == row["answer"].strip()
        assert record.references == (record.target,)


def test_clips_of_validation_and_test_are_others(real: Any) -> None:
    val, test = ({r.group_id for r in real.records("msvd_qa", s)} for s in ("val", "test"))
    assert (len(val), len(test), len(val & test)) == (245, 504, 0)


def test_every_record_names_licence_and_task(real: Any) -> None:
    for source, splits in real.manifest.splits.items():
        for split in splits:
            records = real.records(source, split)
            assert {record.task for record in records} == {
                {"scienceqa": "multiple_choice", "visdial": "dialog", "msvd_qa": "video_qa"}.get(
                    source,
                    {"vqav2": "vqa", "vqav2_qg": "question_generation"}.get(source, "caption"),
                )
            }
            assert {(record.source, record.split) for record in records} == {(source, split)}


def test_real_images_are_taken_as_they_are() -> None:
    paths = [p for p in sorted(REAL.rglob("*")) if p.suffix in (".jpg", ".jpeg", ".png")]
    assert len(paths) > 25
    roots = MediaRoots({"real": str(REAL)}, LocalFiles())
    for path in paths:
        info = inspect_image(roots, f"real/{path.relative_to(REAL).as_posix()}")
        assert not needs_reencoding(info, None), path
        assert info.width * info.height > 100
