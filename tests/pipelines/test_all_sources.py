"""All 26 sources in one build."""

import json

import datasets
import pytest

from datagen.sources import SOURCE_IDS, load_source
from templates.tasks import SOURCES


def test_every_known_source_can_be_built():
    assert set(SOURCE_IDS) == set(SOURCES)
    assert len(SOURCE_IDS) == 26
    assert sum(load_source(source).card.held_in for source in SOURCE_IDS) == 13


def test_one_build_holds_all_sources_and_loses_nothing(all_raw, all_embedded, verify):
    manifest = verify(all_embedded, all_raw)
    assert set(manifest.splits) == set(SOURCE_IDS)
    assert not manifest.missing
    assert manifest.leakage.verdict == "clean"
    for source, splits in manifest.splits.items():
        assert set(splits) == set(load_source(source).split_names())
        for entry in splits.values():
            assert entry.written > 0
            assert not entry.rejected


def test_the_mixture_is_that_of_the_13_held_in_sets(all_embedded, run):
    output = json.loads(run("mixture", all_embedded, "--json").out)
    assert set(output) == {source for source in SOURCE_IDS if load_source(source).card.held_in}
    assert sum(part["probability"] for part in output.values()) == pytest.approx(1)


def test_every_source_loads_from_the_hub_card(all_embedded):
    assert set(datasets.get_dataset_config_names(str(all_embedded))) == {"default", *SOURCE_IDS}
    for source in SOURCE_IDS:
        for split, rows in datasets.load_dataset(str(all_embedded), source).items():
            assert rows[0]["record_id"].startswith(f"{source}/{split}/")
            assert rows[0]["images"][0].size[0] > 0


def test_records_of_every_source_are_shown(all_embedded, run):
    output = run("show", all_embedded, "--rows", 1).out
    for source in SOURCE_IDS:
        assert f"{source}/" in output


def test_templates_of_every_source_are_previewed(all_raw, run):
    for source in SOURCE_IDS:
        outcome = run("templates", "preview", "--raw", all_raw, "--source", source)
        assert outcome.status == 0, outcome.err
        assert source in outcome.out


def test_published_sizes_are_those_of_all_held_in_sources(run):
    outcome = run("mixture")
    assert "left out" not in outcome.out
    assert len([line for line in outcome.out.splitlines() if line.split()[0] in SOURCE_IDS]) == 13
