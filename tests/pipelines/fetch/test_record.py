from pathlib import Path

import pytest

from datagen.schema.download import Download
from datagen.sources import SOURCE_IDS, load_source
from pipelines.fetch.record import (
    Record,
    accept,
    accepted,
    forget_record,
    licences,
    read_record,
    write_record,
)

DOWNLOAD = Download(
    folder="vsr",
    name="zeroshot/a.json",
    url="https://a.example/a.json",
    brings=("zeroshot/a.json",),
    read_in=("test",),
)


def test_a_record_is_read_as_it_was_written_until_it_is_forgotten(tmp_path: Path) -> None:
    record = Record("https://a.example/a.json", 3, "0" * 64, "size", {"zeroshot/a.json": 3})
    assert read_record(tmp_path, DOWNLOAD) is None
    write_record(tmp_path, DOWNLOAD, record)
    assert read_record(tmp_path, DOWNLOAD) == record
    assert read_record(tmp_path, DOWNLOAD.model_copy(update={"name": "b.json"})) is None
    forget_record(tmp_path, DOWNLOAD)
    assert read_record(tmp_path, DOWNLOAD) is None


def test_terms_that_changed_are_not_accepted_any_more(tmp_path: Path) -> None:
    card = load_source("vsr").card
    assert not accepted(tmp_path, card)
    accept(tmp_path, card, load_source("okvqa").card)
    assert accepted(tmp_path, card)
    assert not accepted(tmp_path, load_source("gqa").card)
    assert not accepted(tmp_path, card.model_copy(update={"licence": load_source("gqa").card.home}))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"vsr": 1}'])
def test_a_damaged_file_accepts_nothing_and_is_written_anew(tmp_path: Path, text: str) -> None:
    card = load_source("vsr").card
    (tmp_path / ".fetch").mkdir()
    (tmp_path / ".fetch" / "licences.json").write_text(text)
    assert not accepted(tmp_path, card)
    accept(tmp_path, card)
    assert accepted(tmp_path, card)


@pytest.mark.parametrize("source_id", SOURCE_IDS)
def test_terms_that_are_not_known_say_so(source_id: str) -> None:
    card = load_source(source_id).card
    terms = licences(card)
    assert ("not known, see http" in terms["licence"]) == (card.licence.value is None)
