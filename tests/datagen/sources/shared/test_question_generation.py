from dataclasses import replace
from typing import Any

import msgspec

from datagen.schema.adapter import Filtered
from datagen.sources import load_source
from datagen.sources.shared.question_generation import question_generation


def test_the_same_questions_are_asked_for(referenced: Any) -> None:
    for split in ("train", "val"):
        parents = {r.record_id: r.example() for r in referenced.records("vqav2", split)}
        for record in referenced.records("vqav2_qg", split):
            parent = parents[record.record_id.replace("vqav2_qg/", "vqav2/")]
            expected = msgspec.structs.replace(
                parent,
                example_id=record.record_id,
                source="vqav2_qg",
                task="question_generation",
            )
            assert record.example() == expected
            assert record.target == parent.question
            assert any(f"{answer.text}" in record.instruction for answer in parent.answers)
        assert len(parents) == len(referenced.records("vqav2_qg", split))


def test_splits_with_hidden_answers_are_left_out() -> None:
    parent = load_source("vqav2")
    child = question_generation(parent, "vqav2_qg")
    assert set(parent.split_names()) - set(child.split_names()) == {"test", "test_dev"}


def test_what_is_no_example_is_handed_on() -> None:
    parent = load_source("vqav2")
    layout = replace(parent.splits[0], examples=lambda row, context: iter([Filtered("x")]))
    child = question_generation(replace(parent, splits=(layout,)), "vqav2_qg")
    assert list(child.splits[0].examples(None, None)) == [Filtered("x")]
