from pathlib import Path
from typing import Any

import pytest

from datagen.sample.world import World
from datagen.sample.writers import msrvtt_qa
from datagen.schema.answers import Answer

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0}


def row(number: int, video: int = 0, **changes: Any) -> dict[str, Any]:
    fields = {"id": number, "video_id": video, "question": "who runs?", "answer": "man"}
    return fields | {"category_id": 14} | changes


def test_a_question_is_about_the_video_of_its_number(raw: Any, build: Any) -> None:
    raw.json("msrvtt_qa/test_qa.json", [row(5, 7010, question=" what\tis it ? ", answer="dog ")])
    (record,) = build(**KEEP).records("msrvtt_qa", "test")
    assert record.record_id == "msrvtt_qa/test/5"
    assert (record.video.path, record.group_id) == ("msrvtt/video7010.mp4", "msrvtt:video7010")
    assert record.question == "what is it ?"
    assert record.answers == (Answer("dog", 1),)
    assert (record.target, record.references) == ("dog", ("dog",))
    assert record.tags == {"category": "14"}
    assert record.instruction == "Question: what is it ? Short answer: "


def test_the_category_may_be_absent_and_may_be_zero(raw: Any, build: Any) -> None:
    plain = row(1)
    del plain["category_id"]
    raw.json("msrvtt_qa/val_qa.json", [plain, row(2, category_id=0)])
    records = build(**KEEP).records("msrvtt_qa", "val")
    tags = {record.record_id.rsplit("/", 1)[1]: record.tags for record in records}
    assert tags == {"1": None, "2": {"category": "0"}}


@pytest.mark.parametrize("question", ["who runs", "who runs?", "who runs ?"])
def test_a_question_is_neither_given_a_question_mark_nor_loses_one(
    raw: Any, build: Any, question: str
) -> None:
    raw.json("msrvtt_qa/test_qa.json", [row(5, question=question)])
    (record,) = build(**KEEP).records("msrvtt_qa", "test")
    assert record.question == question
    assert record.instruction == f"Question: {question} Short answer: "


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(2, question=" "), "empty_text"),
        (row(2, answer=""), "empty_text"),
        (row(2, answer=None), "malformed_row"),
        (row(2, video_id="video7"), "malformed_row"),
        (row(1, question="again?"), "duplicate_id"),
    ],
)
def test_a_bad_row_is_rejected_alone(raw: Any, build: Any, bad: Any, reason: str) -> None:
    raw.json("msrvtt_qa/test_qa.json", [row(1), bad, row(3)])
    building = build(**KEEP)
    (rejection,) = building.rejections("msrvtt_qa")
    assert (rejection.row, rejection.reason) == (1, reason)
    assert len(building.records("msrvtt_qa", "test")) == 2


def test_the_vocabulary_is_that_of_train(raw: Any, build: Any) -> None:
    raw.json("msrvtt_qa/test_qa.json", [row(9, answer="zebra")])
    entry = build("without", **KEEP).manifest.candidates["msrvtt_qa"]
    assert entry.reason == "train_qa.json is not in msrvtt_qa; ranking needs its answers"
    raw.json("msrvtt_qa/train_qa.json", [row(1), row(2, answer="dog"), row(3)])
    assert build("with", **KEEP).manifest.candidates["msrvtt_qa"].rows == 2


def test_hqgas_tables_make_the_same_records(
    tmp_path: Path, sample_raw: Path, build_in: Any, referenced: Any
) -> None:
    msrvtt_qa.write_hqga(tmp_path / "raw", World(seed=0, num_scenes=40))
    names = sorted(path.name for path in (tmp_path / "raw/msrvtt_qa").iterdir())
    assert names == ["test.csv", "train.csv", "val.csv"]
    building = build_in(tmp_path / "raw", tmp_path / "out")
    for split in ("train", "val", "test"):
        assert building.manifest.split("msrvtt_qa", split).layout == "hqga"
        records = building.records("msrvtt_qa", split)
        assert records == referenced.records("msrvtt_qa", split)


def test_another_projects_table_of_the_same_name_is_refused(raw: Any, build: Any) -> None:
    raw.write("msrvtt_qa/val.csv", "question,answer,category_id,video_id,id\nwho?,man,1,2,3\n")
    with pytest.raises(ValueError, match=r"val\.csv has no column 'video', 'qid' but question"):
        build(**KEEP)
