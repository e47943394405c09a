"""LLaVA descriptions; behaviour shared with the other parts is tested in `test_llava_conversation.py`."""

from pathlib import Path
from typing import Any

from datagen.sources.llava_detail import SOURCE


def test_every_dialog_is_one_record(referenced: Any) -> None:
    entry = referenced.manifest.split("llava_detail", "train")
    assert entry.rows == entry.written == entry.groups > 10
    for record in referenced.records("llava_detail", "train"):
        assert record.record_id.endswith("#turn1")
        assert record.dialog is None
        assert record.instruction == record.question


def test_the_card_counts_turns_and_tells_of_dialogs(sample_raw: Path) -> None:
    split = SOURCE.card.splits["train"]
    assert {fact.value for fact in split.counts.values()} == {23_240}
    assert not any(fact.verified for fact in split.counts.values())
    assert "23K dialogs" in split.note
    assert (sample_raw / "llava_instruct/detail_23k.json").is_file()
