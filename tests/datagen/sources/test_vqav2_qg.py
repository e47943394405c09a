from collections import Counter
from typing import Any

from datagen.sources import load_source
from datagen.sources.vqav2_qg import SOURCE


def test_it_reads_vqav2s_files() -> None:
    parent = load_source("vqav2")
    assert SOURCE.id == "vqav2_qg"
    assert SOURCE.card.folder == "vqav2"
    assert SOURCE.card.task == "question_generation"
    assert SOURCE.card.category == "image question generation"
    for layout in SOURCE.splits:
        (same,) = [each for each in parent.splits if each.split == layout.split]
        assert (layout.rows, layout.lookups) == (same.rows, same.lookups)


def test_the_question_is_the_target_and_one_answer_is_told(
    raw: Any, build: Any, ask: Any, annotate: Any
) -> None:
    rows = [ask(n, text=f"Which of {n}?") for n in range(200)]
    answers = ["seven"] * 7 + ["three"] * 3
    raw.vqa(rows, [annotate(row, answers) for row in rows])
    building = build(missing_images="keep", sources=["vqav2_qg"])
    counts: Counter[str] = Counter()
    for record in building.records("vqav2_qg", "train"):
        assert record.target == record.question
        assert record.references == (record.question,)
        assert record.question not in record.instruction
        counts.update(word for word in ("seven", "three") if word in record.instruction)
    assert counts.total() == 200
    assert 110 < counts["seven"] < 170


def test_rejections_are_those_of_its_parent(raw: Any, build: Any, ask: Any, annotate: Any) -> None:
    rows = [ask(1), ask(2, text=" "), ask(3)]
    raw.vqa(rows, [annotate(rows[0]), annotate(rows[1]), annotate(ask(9))])
    building = build(missing_images="keep", max_reject_fraction=1.0)
    for source in ("vqav2", "vqav2_qg"):
        assert building.manifest.split(source, "train").rejected == {
            "empty_text": 1,
            "no_annotation": 1,
            "no_question": 1,
        }
        assert {each.source for each in building.rejections(source)} == {source}
