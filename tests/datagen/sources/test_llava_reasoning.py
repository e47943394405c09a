"""LLaVA reasoning; behaviour shared with the other parts is tested in `test_llava_conversation.py`."""

from typing import Any

from datagen.sources.llava_reasoning import SOURCE


def test_an_answer_is_reasoned_in_paragraphs(referenced: Any) -> None:
    for record in referenced.records("llava_reasoning", "train"):
        assert "\n\n" in record.target
        assert record.response == record.target
        assert "<image>" not in record.instruction


def test_the_number_of_turns_is_not_guessed() -> None:
    split = SOURCE.card.splits["train"]
    assert [fact.value for fact in split.counts.values()] == [None]
    assert "77,000 dialogs" in split.note
