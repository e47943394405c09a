from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from datagen.schema.adapter import Source
from datagen.schema.card import (
    CATEGORIES,
    Fact,
    FileCard,
    SourceCard,
    SplitCard,
    unverified,
    verified,
)
from datagen.sources import SOURCE_IDS, all_sources, load_source
from templates.prompt_spec import published_spec
from templates.tasks import SOURCES, TASKS

SOURCES_BUILT = [pytest.param(source, id=source.id) for source in all_sources()]
HELD_IN = {
    *("coco_caption", "web_capfilt", "textcaps", "vqav2", "okvqa", "aokvqa", "ocr_vqa"),
    *("vqav2_qg", "okvqa_qg", "aokvqa_qg"),
    *("llava_conversation", "llava_detail", "llava_reasoning"),
}


def facts(model: BaseModel, place: str) -> Iterator[tuple[str, Fact[Any]]]:
    """Every fact of a card, however deep, and where it stands."""
    for name, value in model:
        for key, part in value.items() if isinstance(value, dict) else [("", value)]:
            parts = part if isinstance(part, tuple) else (part,)
            for number, each in enumerate(parts):
                where = (
                    f"{place}.{name}{key and f'.{key}'}{f'[{number}]' if len(parts) > 1 else ''}"
                )
                if isinstance(each, Fact):
                    yield where, each
                elif isinstance(each, BaseModel):
                    yield from facts(each, where)


def card(**changes: Any) -> SourceCard:
    fields: dict[str, Any] = {
        "id": "vqav2",
        "task": "vqa",
        "category": "image question answering",
        "held_in": True,
        "splits": {"train": SplitCard(used_in_paper=True)},
        "files": (FileCard(name="a.json", splits=("train",)),),
        "media": (),
        "folder": "vqav2",
    }
    return SourceCard(**fields | changes)


def test_the_paper_has_eleven_categories_and_26_sources() -> None:
    assert len(CATEGORIES) == 11
    assert len(SOURCES) == 26
    assert len(HELD_IN) == 13
    assert set(SOURCE_IDS) <= set(SOURCES)
    assert len(set(SOURCE_IDS)) == len(SOURCE_IDS)


@pytest.mark.parametrize("source", SOURCES_BUILT)
def test_a_card_uses_known_names(source: Source) -> None:
    assert source.card.id == source.id
    assert source.card.task in TASKS
    assert source.card.category in CATEGORIES
    assert source.card.title == SOURCES[source.id]


@pytest.mark.parametrize("source", SOURCES_BUILT)
def test_records_alone_tell_what_one_of_the_26_is_rendered_with(source: Source) -> None:
    assert published_spec(source.id, source.card.task) == source.card.prompts
    several = ("vqa", "multiple_choice") if source.id == "aokvqa" else (source.card.task,)
    assert source.card.prompts.tasks == several


@pytest.mark.parametrize("source", SOURCES_BUILT)
def test_a_card_knows_whether_the_paper_trains_on_it(source: Source) -> None:
    assert source.card.held_in is (source.id in HELD_IN)
    assert any(split.used_in_paper for split in source.card.splits.values())
    assert "train" in source.card.splits or not source.card.held_in


@pytest.mark.parametrize("source", SOURCES_BUILT)
def test_the_cards_splits_are_the_adapters(source: Source) -> None:
    assert set(source.card.splits) == set(source.split_names())


@pytest.mark.parametrize("source", SOURCES_BUILT)
def test_the_cards_files_are_those_that_the_adapter_reads(source: Source) -> None:
    named = {
        (file.name, split, file.layout_name, file.required)
        for file in source.card.files
        for split in file.splits
    }
    read = {
        (name, layout.split, layout.layout_name, required)
        for layout in source.splits
        for required, names in ((True, layout.files()), (False, layout.optional_files()))
        for name in names
    }
    assert named == read
    assert len(source.card.files) == len({(f.name, f.layout_name) for f in source.card.files})
    if source.vocabulary is not None:
        assert source.vocabulary.rows.file in {file.name for file in source.card.files}


@pytest.mark.parametrize("source", SOURCES_BUILT)
def test_a_split_has_one_layout_of_each_name(source: Source) -> None:
    layouts = [(layout.split, layout.layout_name) for layout in source.splits]
    assert len(set(layouts)) == len(layouts)


@pytest.mark.parametrize("source", SOURCES_BUILT)
def test_every_split_has_a_count(source: Source) -> None:
    for split in source.card.splits.values():
        assert split.counts
        assert all(fact.value is None or fact.value > 0 for fact in split.counts.values())


@pytest.mark.parametrize("source", SOURCES_BUILT)
def test_every_known_value_says_where_it_was_read(source: Source) -> None:
    found = list(facts(source.card, source.id))
    assert len(found) > 7
    for place, fact in found:
        assert fact.value is None or fact.read_in, place
        assert not fact.verified or fact.read_in != "general knowledge", place
        assert fact.value != "", place


@pytest.mark.parametrize("source", SOURCES_BUILT)
def test_files_and_folders_are_names_inside_the_raw_folder(source: Source) -> None:
    for name in (source.card.folder, *(file.name for file in source.card.files)):
        assert not name.startswith("/")
        assert ".." not in name
        assert "\\" not in name


def test_question_generation_reads_its_parents_files() -> None:
    parent, child = load_source("vqav2").card, load_source("vqav2_qg").card
    assert child.folder == parent.folder
    assert set(child.splits) == {"train", "val"}
    assert {file.name for file in child.files} < {file.name for file in parent.files}
    assert child.media == parent.media


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "vqa"}, "unknown source id 'vqa', use one of coco_caption, "),
        ({"task": "qa"}, "unknown task 'qa', use one of caption, "),
        ({"category": "vqa"}, "unknown category 'vqa', use one of image captioning, "),
        ({"licens": unverified("MIT")}, "Extra inputs are not permitted"),
    ],
)
def test_a_card_with_an_unknown_name_is_refused(change: dict[str, Any], message: str) -> None:
    card()
    with pytest.raises(ValidationError, match=message):
        card(**change)


def test_a_known_value_without_origin_is_refused() -> None:
    assert Fact[int]().value is None
    assert unverified(5).read_in == "general knowledge"
    fact = verified(5, "the file itself")
    assert (fact.value, fact.verified) == (5, True)
    for read_in in (None, ""):
        with pytest.raises(ValidationError, match="a known value says where it was read"):
            Fact[int](value=5, read_in=read_in)
    with pytest.raises(ValidationError, match="frozen"):
        fact.value = 6
