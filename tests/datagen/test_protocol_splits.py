"""Splits that protocols name, compared with the source's card."""

import pytest

from datagen.sources import SOURCE_IDS, load_source
from templates.library import load_templates

PROTOCOLS = load_templates("instruct").protocols


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_a_protocols_splits_are_the_cards_and_so_are_its_counts(name: str) -> None:
    protocol = PROTOCOLS[name]
    rules = protocol.evaluation
    assert rules is not None
    splits = load_source(protocol.source).card.splits
    assert rules.split in splits
    if rules.validation_split is not None:
        assert rules.validation_split in splits
    counts = {fact.value for fact in splits[rules.split].counts.values()}
    assert rules.records in counts


def test_the_default_protocol_of_a_held_out_set_is_of_the_papers_split() -> None:
    sources = [load_source(source_id).card for source_id in SOURCE_IDS]
    held_out = [card for card in sources if not card.held_in]
    assert len(held_out) == 13
    for card in held_out:
        rules = PROTOCOLS[card.id].evaluation
        assert rules is not None
        assert card.splits[rules.split].used_in_paper, card.id


def test_a_ranked_vocabulary_is_one_that_the_source_builds() -> None:
    ranked = [each for each in PROTOCOLS.values() if each.evaluation and each.evaluation.candidates]
    vocabularies = {
        each.source
        for each in ranked
        if each.evaluation and each.evaluation.candidates == "vocabulary"
    }
    assert vocabularies == {"msvd_qa", "msrvtt_qa"}
    for source in vocabularies:
        assert load_source(source).vocabulary is not None
