from collections import Counter
from typing import Any

from datagen.sources import load_source
from datagen.sources.aokvqa_qg import SOURCE


def question(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "split": "train",
        "image_id": 1,
        "question_id": f"q{number}",
        "question": f"Which of {number}?",
        "choices": ["zebra", "giraffe", "seven", "lion"],
        "correct_choice_idx": 2,
        "direct_answers": ["seven"] * 7 + ["three"] * 3,
        "difficult_direct_answer": False,
    }
    return row | changes


def build_rows(raw: Any, build: Any, *rows: dict[str, Any]) -> Any:
    raw.json("aokvqa/aokvqa_v1p0_train.json", list(rows))
    return build(missing_images="keep", max_reject_fraction=1.0, sources=["aokvqa_qg"])


def test_it_reads_aokvqas_files_but_for_the_hidden_split() -> None:
    parent = load_source("aokvqa")
    assert (SOURCE.id, SOURCE.card.folder) == ("aokvqa_qg", "aokvqa")
    assert SOURCE.split_names() == ("train", "val")
    assert set(SOURCE.card.splits) == {"train", "val"}
    assert [file.name for file in SOURCE.card.files] == [
        "aokvqa_v1p0_train.json",
        "aokvqa_v1p0_val.json",
    ]
    for layout, same in zip(SOURCE.splits, parent.splits[:2], strict=True):
        assert layout.rows == same.rows


def test_a_direct_answer_is_told_and_no_choices(raw: Any, build: Any) -> None:
    building = build_rows(raw, build, *(question(number) for number in range(200)))
    counts: Counter[str] = Counter()
    for record in building.records("aokvqa_qg", "train"):
        assert (record.target, record.references) == (record.question, (record.question,))
        assert (record.choices, record.correct_choice, record.candidates) == (None, None, None)
        assert not any(word in record.instruction for word in ("zebra", "giraffe", "lion", "(a)"))
        assert record.template_id.startswith("question_generation.")
        counts.update(word for word in ("seven", "three") if word in record.instruction)
    assert counts.total() == 200
    assert 110 < counts["seven"] < 170


def test_choices_at_fault_do_not_matter(raw: Any, build: Any) -> None:
    rows = [question(1, correct_choice_idx=9), question(2, choices=[]), question(3, question="")]
    building = build_rows(raw, build, *rows)
    assert len(building.records("aokvqa_qg", "train")) == 2
    assert [each.reason for each in building.rejections("aokvqa_qg")] == ["empty_text"]
