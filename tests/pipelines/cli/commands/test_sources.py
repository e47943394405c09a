"""`visinstruct sources`: what is known, and what is on disk."""

import json
import shutil

import pytest

from datagen.schema.card import SourceCard
from datagen.sources import SOURCE_IDS, load_source


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """Room for the long paths of tests, so that no cell is broken."""
    monkeypatch.setattr("pipelines.console.WIDTH_OFF_TERMINAL", 500)


def test_all_sources_are_listed_with_the_splits_on_disk(run, all_raw):
    outcome = run("sources", "--raw", all_raw)
    assert outcome.status == 0
    lines = {line.split()[0]: line for line in outcome.out.splitlines()[1:] if line.strip()}
    assert list(lines) == list(SOURCE_IDS)
    for source_id in SOURCE_IDS:
        assert lines[source_id].rstrip().endswith(", ".join(load_source(source_id).split_names()))


def test_without_raw_folder_nothing_is_on_disk(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run("sources")
    assert outcome.status == 0
    assert outcome.out.count(" none") == len(SOURCE_IDS)


@pytest.mark.parametrize("source_id", SOURCE_IDS)
def test_one_source_is_shown_in_full(run, raw, source_id):
    outcome = run("sources", source_id, "--raw", raw)
    assert outcome.status == 0
    card = load_source(source_id).card
    assert outcome.out.startswith(f"{source_id}: {card.title}, {card.category}, held-")
    for shown in ("published records", "paper", "on disk", "download", "citation", "licence"):
        assert shown in outcome.out
    for file in card.files:
        assert file.name in outcome.out
    for split in card.splits:
        assert split in outcome.out


def test_what_a_split_lacks_is_reported(run, raw, tmp_path):
    name = "v2_OpenEnded_mscoco_train2014_questions.json"
    (tmp_path / "vqav2").mkdir()
    shutil.copy(raw / "vqav2" / name, tmp_path / "vqav2" / name)
    outcome = run("sources", "vqav2", "--raw", tmp_path)
    assert "lacks v2_mscoco_train2014_annotations.json" in outcome.out
    assert "complete" not in outcome.out


def test_json_of_one_source_holds_every_field_of_its_card(run, raw):
    outcome = run("sources", "vqav2", "--raw", raw, "--json")
    shown = json.loads(outcome.out)
    assert set(shown) == {*SourceCard.model_fields, "on_disk", "hub"}
    state = shown.pop("on_disk")
    assert shown.pop("hub")["repository"] == "pminervini/VQAv2"
    assert SourceCard.model_validate(shown) == load_source("vqav2").card
    assert state["train"] == {"state": "complete (official)", "layout": "official", "lacks": []}


def test_json_of_all_sources_is_a_list_of_cards(run, tmp_path):
    shown = json.loads(run("sources", "--raw", tmp_path, "--json").out)
    assert [card["id"] for card in shown] == list(SOURCE_IDS)
    for card in shown:
        assert set(card) == {*SourceCard.model_fields, "on_disk", "hub"}
        assert set(card["on_disk"]) == set(load_source(card["id"]).split_names())
        for split, state in card["on_disk"].items():
            assert state["layout"] is None, split
            assert state["lacks"], split


def test_every_fact_in_json_says_whether_it_was_checked(run):
    def facts(node):
        if isinstance(node, dict):
            if "verified" in node:
                yield node
            for value in node.values():
                yield from facts(value)
        elif isinstance(node, list):
            for value in node:
                yield from facts(value)

    found = list(facts(json.loads(run("sources", "--json").out)))
    assert len(found) > 50
    assert all(fact["read_in"] for fact in found if fact["value"] is not None)


def test_an_unknown_source_is_reported_with_the_nearest(refused):
    message = refused("sources", "vqav3")
    assert "unknown source 'vqav3', did you mean 'vqav2'?; known are coco_caption" in message


def test_a_path_with_brackets_is_not_markup(run, tmp_path):
    (tmp_path / "[bold]raw[" / "]").mkdir(parents=True)
    outcome = run("sources", "vqav2", "--raw", tmp_path / "[bold]raw[/]")
    assert outcome.status == 0
    assert "[bold]raw[/]/vqav2" in outcome.out
    assert "[bold]raw[/]" in run("sources", "--raw", tmp_path / "[bold]raw[/]").out
