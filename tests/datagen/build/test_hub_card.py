from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from datagen.build.hub_card import hub_card, hub_licence
from datagen.sources import all_sources, load_source


def header(card: str) -> dict[str, Any]:
    start, text, _ = card.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(text)


def resized(building: Any, factor: int) -> Any:
    """The build's manifest, with `factor` records in place of all."""
    entry = msgspec.structs.replace(building.manifest.splits["vqav2"]["val"], written=factor)
    return msgspec.structs.replace(building.manifest, splits={"vqav2": {"val": entry}}, mixture={})


def test_every_source_is_a_configuration_with_its_splits(referenced: Any) -> None:
    configs = {
        c["config_name"]: c for c in header((referenced.out / "README.md").read_text())["configs"]
    }
    assert set(configs) == {*referenced.manifest.splits, "default"}
    for source, splits in referenced.manifest.splits.items():
        files = configs[source]["data_files"]
        assert [each["split"] for each in files] == list(splits)
        for each in files:
            found = {
                p.relative_to(referenced.out).as_posix() for p in referenced.out.glob(each["path"])
            }
            shards = referenced.manifest.splits[source][each["split"]].shards
            assert found == {shard.path for shard in shards}


def test_the_default_is_the_held_in_training_sets(referenced: Any) -> None:
    configs = header((referenced.out / "README.md").read_text())["configs"]
    (default,) = [each for each in configs if each.get("default")]
    (files,) = default["data_files"]
    assert files["split"] == "train"
    assert files["path"] == [
        f"data/{source}/train-*.parquet" for source in referenced.manifest.mixture
    ]
    assert all(load_source(source).card.held_in for source in referenced.manifest.mixture)


def test_without_training_sets_there_is_no_default(raw: Any, build: Any, sample_raw: Path) -> None:
    building = build(raw=sample_raw, sources=["visdial"], splits=["val"])
    configs = header((building.out / "README.md").read_text())["configs"]
    assert [each["config_name"] for each in configs] == ["visdial"]


def test_a_split_without_records_is_in_no_configuration(raw: Any, build: Any, ask: Any) -> None:
    raw.coco(1, folder="val2014")
    raw.vqa([ask(1, text=" ")])
    raw.vqa([ask(1)], subset="val2014")
    building = build(sources=["vqav2"], max_reject_fraction=1.0)
    configs = header((building.out / "README.md").read_text())["configs"]
    assert [(c["config_name"], [f["split"] for f in c["data_files"]]) for c in configs] == [
        ("vqav2", ["val"])
    ]


def test_licences_counts_probabilities_and_citations_are_told(referenced: Any) -> None:
    text = (referenced.out / "README.md").read_text()
    manifest = referenced.manifest
    for source, splits in manifest.splits.items():
        card = load_source(source).card
        commercial = {True: "yes", False: "no", None: "unknown, take as yes"}
        for split, entry in splits.items():
            licence = card.licence.value or "unknown"
            free = commercial[card.non_commercial.value]
            assert f"| {source} | {split} | {entry.written:,} | {licence} | {free} |" in text
        if card.citation.value:
            assert text.count(f"- {card.citation.value}\n") == 1
    for source, part in manifest.mixture.items():
        assert f"| {source} | {part.size:,} | {part.probability:.4f} |" in text


def with_sources(building: Any, *sources: str, images: str = "reference") -> Any:
    """The build's manifest, with one split of each of `sources` in place of its own."""
    entry = building.manifest.splits["vqav2"]["val"]
    splits = {source: {"val": entry} for source in sources}
    return msgspec.structs.replace(building.manifest, splits=splits, mixture={}, images=images)


@pytest.mark.parametrize(
    ("sources", "licence"),
    [
        (("vqav2", "okvqa", "gqa"), "cc-by-4.0"),
        (("aokvqa", "vsr"), "apache-2.0"),
        (("llava_detail",), "cc-by-nc-4.0"),
        (("iconqa", "scienceqa"), "cc-by-nc-sa-4.0"),
    ],
)
def test_one_licence_of_all_sources_is_the_datasets(
    referenced: Any, sources: tuple[str, ...], licence: str
) -> None:
    facts = header(hub_card(with_sources(referenced, *sources), {}))
    assert facts["license"] == licence
    assert "license_details" not in facts


def test_mixed_licences_are_listed_and_unknown_ones_are_not_made_up(referenced: Any) -> None:
    facts = header(hub_card(with_sources(referenced, "vqav2", "msvd_qa", "aokvqa", "gqa"), {}))
    assert facts["license"] == "other"
    assert facts["license_details"] == (
        "Apache-2.0: aokvqa; CC BY 4.0: vqav2, gqa; unknown: msvd_qa"
    )
    alone = header(hub_card(with_sources(referenced, "msvd_qa"), {}))
    assert (alone["license"], alone["license_details"]) == ("other", "unknown: msvd_qa")


def test_a_licence_that_the_hub_does_not_know_is_named_as_the_card_names_it(
    referenced: Any,
) -> None:
    for source in all_sources():
        facts = header(hub_card(with_sources(referenced, source.id), {}))
        value = source.card.licence.value
        if facts["license"] == "other":
            assert facts["license_details"] == f"{value or 'unknown'}: {source.id}"
        else:
            assert value is not None
            assert facts["license"] == value.lower().replace(" ", "-")


def test_embedded_images_bring_their_own_licences(referenced: Any) -> None:
    facts = header(hub_card(with_sources(referenced, "vqav2", images="embed"), {}))
    assert facts["license_details"] == ("CC BY 4.0: vqav2; Flickr terms, per image: vqav2 (media)")
    same = header(hub_card(with_sources(referenced, "vizwiz", images="embed"), {}))
    assert same["license"] == "cc-by-4.0"


@pytest.mark.parametrize(
    ("records", "category"),
    [
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (9_999, "1K<n<10K"),
        (10_000, "10K<n<100K"),
        (999_999, "100K<n<1M"),
        (10**6, "1M<n<10M"),
        (10**8 - 1, "10M<n<100M"),
        (16 * 10**7, "100M<n<1B"),
    ],
)
def test_the_size_is_told_in_the_hubs_categories(
    referenced: Any, records: int, category: str
) -> None:
    card = hub_card(resized(referenced, records), {})
    assert header(card)["size_categories"] == [category]


def test_the_card_is_a_function_of_the_manifest(referenced: Any) -> None:
    trained = {source: ("train",) for source in referenced.manifest.mixture}
    card = hub_card(referenced.manifest, trained)
    assert card == (referenced.out / "README.md").read_text()
    assert not any(line != line.rstrip() for line in card.splitlines())


@pytest.mark.parametrize(
    ("licence", "known"),
    [("CC BY 4.0", "cc-by-4.0"), ("CC-BY-4.0", "cc-by-4.0"), ("MIT", "mit"), ("own terms", None)],
)
def test_licences_have_the_hubs_ids_however_they_are_spelled(licence, known):
    assert hub_licence(licence) == known
