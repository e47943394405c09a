"""The list of downloads and the cards are about the same files."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest
import yaml

from datagen.errors import OptionError
from datagen.schema.download import Access
from datagen.sources import SOURCE_IDS, all_sources, load_source
from datagen.sources.downloads import load_downloads, needed

FACTS = Path(__file__).parents[4] / "shared" / "reference" / "hub" / "downloads.yaml"
REAL = Path(__file__).parents[4] / "shared" / "real"
OWN = {"ocr_vqa": {"ocr_tokens.jsonl"}}
"""Files that nobody publishes."""


def test_what_is_offered_is_what_the_cards_expect() -> None:
    expected: dict[str, set[str]] = {}
    for source in all_sources():
        names = {file.name for file in source.card.files}
        expected.setdefault(source.card.folder, set()).update(names - OWN.get(source.id, set()))
    offered = {
        folder: {name for each in downloads.values() for name in each.brings}
        for folder, downloads in load_downloads().folders.items()
    }
    assert {folder: names for folder, names in offered.items() if names} == expected


def test_no_two_downloads_bring_one_file() -> None:
    brought = Counter(
        f"{each.folder}/{name}" for each in load_downloads().all() for name in each.brings
    )
    assert [name for name, number in brought.items() if number > 1] == []


@pytest.mark.parametrize("source_id", SOURCE_IDS)
def test_each_split_of_an_adapter_can_be_read_from_what_is_offered(source_id: str) -> None:
    source = load_source(source_id)
    offered = {
        name
        for each in load_downloads().folders[source.card.folder].values()
        for name in each.brings
    }
    for split in source.split_names():
        layouts = [set(each.files()) for each in source.splits if each.split == split]
        assert any(files <= offered for files in layouts), split


@pytest.mark.parametrize("source_id", SOURCE_IDS)
def test_images_and_videos_go_where_the_card_expects_them(source_id: str) -> None:
    card = load_source(source_id).card
    expected = {
        card.folder if media.kind == "own" else f"{media.kind}/{media.collection}"
        for media in card.media
    }
    offers = [each for each in load_downloads().all() if card.folder in each.images_of]
    assert {each.folder for each in offers} == expected
    for each in offers:
        known = {
            split
            for source in all_sources()
            if source.card.folder == card.folder
            for split in source.card.splits
        }
        assert set(each.images_of[card.folder]) <= known
    assert set(card.splits) <= {split for each in offers for split in each.images_of[card.folder]}


@pytest.mark.parametrize("source_id", SOURCE_IDS)
def test_addresses_of_files_on_the_card_are_those_of_the_list(source_id: str) -> None:
    """The card may name a page instead, which is no address of a file."""
    card = load_source(source_id).card
    downloads = load_downloads().folders[card.folder].values()
    offered = {address for each in downloads for address in (each.url, each.page)}
    named = {file.download.value for file in card.files if file.download.value}
    files = {
        each for each in named if each.endswith((".json", ".zip", ".gz", ".tar", ".csv", ".jsonl"))
    }
    assert {each for each in files - offered if "//github.com/" not in each} == set()


def test_no_address_is_given_for_what_a_form_or_a_login_guards() -> None:
    ways = Counter(each.access for each in load_downloads().all())
    assert ways == {
        Access.OPEN: 80,
        Access.DRIVE: 5,
        Access.EACH_ADDRESS: 3,
        Access.FORM: 2,
        Access.PASSWORD: 1,
    }
    assert [each.path for each in load_downloads().all() if each.by_hand and each.url] == []


@pytest.mark.skipif(not FACTS.exists(), reason="needs the collected facts")
def test_sizes_and_hashes_are_those_that_were_collected() -> None:
    facts: dict[str, dict[str, object]] = {}

    def collect(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("url"), str) and "access" in node:
                facts[node["url"]] = node
            for each in node.values():
                collect(each)
        elif isinstance(node, list):
            for each in node:
                collect(each)

    collect(yaml.safe_load(FACTS.read_text()))
    checked = 0
    for each in load_downloads().all():
        if each.url is not None:
            fact = facts[each.url]
            assert (each.num_bytes, each.sha256) == (fact["bytes"], fact["sha256"]), each.path
            checked += each.num_bytes is not None
    assert checked == 25


@pytest.mark.skipif(not REAL.exists(), reason="needs the publishers' files")
def test_the_publishers_files_have_the_hashes_of_the_list() -> None:
    found = 0
    for each in load_downloads().all():
        file = REAL / each.path
        if each.sha256 and file.is_file() and file.stat().st_size == each.num_bytes:
            assert hashlib.sha256(file.read_bytes()).hexdigest() == each.sha256
            found += 1
    assert found


def test_the_first_layout_that_can_be_had_is_taken() -> None:
    downloads = load_downloads()

    def files(source_id: str, **options: object) -> list[str]:
        return [
            each.path for each in needed(load_source(source_id).card, downloads, **options).files
        ]

    assert files("coco_caption") == ["coco_caption/caption_datasets.zip"]
    assert files("coco_caption", layout="captions_2014") == [
        "coco_caption/annotations_trainval2014.zip"
    ]
    assert files("msrvtt_qa", splits=["val"]) == ["msrvtt_qa/val.csv"]
    assert files("msrvtt_qa", layout="official") == ["msrvtt_qa/MSRVTT-QA.zip"]
    assert files("ocr_vqa") == ["ocr_vqa/dataset.json"]
    assert files("vqav2_qg", splits=["val"]) == [
        "vqav2/v2_Questions_Val_mscoco.zip",
        "vqav2/v2_Annotations_Val_mscoco.zip",
    ]


def test_images_are_those_of_the_splits() -> None:
    card = load_source("vqav2").card
    names = [each.name for each in needed(card, load_downloads(), splits=["val", "test"]).media]
    assert names == ["val2014.zip", "test2015.zip"]


def test_splits_and_layouts_that_a_source_does_not_have_are_refused() -> None:
    card, downloads = load_source("coco_caption").card, load_downloads()
    with pytest.raises(OptionError, match="no split 'trian', did you mean 'train'"):
        needed(card, downloads, splits=["trian"])
    with pytest.raises(OptionError, match="it has karpathy, lavis, captions_2014"):
        needed(card, downloads, layout="official")


def test_each_download_says_where_its_facts_were_read() -> None:
    listed = load_downloads()
    for each in listed.all():
        assert each.origin == listed.origins[each.read_in[0]]
