from pathlib import Path
from typing import Any

import pytest

from datagen.build.preview import examples_in
from datagen.errors import OptionError, RawDataError
from datagen.render import draw
from datagen.sources import SOURCE_IDS, all_sources
from templates.library import load_templates
from templates.prompt_spec import published_spec


def test_the_first_examples_of_every_source_are_shown(sample_raw: Path, tmp_path: Path) -> None:
    found = list(examples_in(str(sample_raw), str(tmp_path), None, None, 3))
    counts = {source: [e for e in found if e.source == source] for source in SOURCE_IDS}
    assert {source: len(some) for source, some in counts.items()} == dict.fromkeys(SOURCE_IDS, 3)
    for source in all_sources():
        assert {e.split for e in counts[source.id]} == {source.split_names()[0]}


def test_a_source_and_a_split_can_be_chosen(sample_raw: Path, tmp_path: Path) -> None:
    found = list(examples_in(str(sample_raw), str(tmp_path), "visdial", "val", 25))
    assert {(e.source, e.split) for e in found} == {("visdial", "val")}
    assert len(found) == 25
    assert len({e.example_id for e in found}) == 25


def test_what_is_shown_can_be_rendered(sample_raw: Path, tmp_path: Path) -> None:
    templates = load_templates("instruct")
    for example in examples_in(str(sample_raw), str(tmp_path), None, None, 2):
        assert draw(
            example, templates.of(published_spec(example.source, example.task)), 0
        ).instruction


def test_images_need_not_be_there(raw: Any, ask: Any, tmp_path: Path) -> None:
    raw.vqa([ask(n) for n in range(5)])
    found = list(examples_in(str(raw.root), str(tmp_path / "scratch"), "vqav2", None, 2))
    assert [e.question for e in found] == ["What is number 0?", "What is number 1?"]


def test_rows_that_make_no_example_are_passed_over(raw: Any, ask: Any, tmp_path: Path) -> None:
    raw.vqa([ask(0, text=" "), ask(1), {**ask(2), "question_id": "x"}, ask(3)])
    found = list(examples_in(str(raw.root), str(tmp_path / "scratch"), "vqav2", None, 2))
    assert [e.example_id for e in found] == ["vqav2/train/1", "vqav2/train/3"]


def test_mistakes_are_the_builds_mistakes(raw: Any, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="unknown source 'vqa2'"):
        list(examples_in(str(raw.root), str(tmp_path), "vqa2", None, 2))
    with pytest.raises(RawDataError, match="no source has a complete split"):
        list(examples_in(str(raw.root), str(tmp_path), None, None, 2))
