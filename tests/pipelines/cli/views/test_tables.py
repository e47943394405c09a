"""The tables that commands print."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from datagen.mixture import mix
from datagen.schema.manifest import CandidatesEntry, Leak, Leakage
from datagen.sources import SOURCE_IDS, load_source
from pipelines.cli.views.tables import (
    card_table,
    file_table,
    mixture_table,
    print_build,
    sources_table,
    split_table,
)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


def rows(console):
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_a_build_is_shown_split_by_split(console, built, manifest_of):
    manifest = manifest_of(built)
    print_build(manifest, "data/instruct", console)
    shown = rows(console)
    assert shown[0][:6] == ["source", "split", "read", "written", "rejected", "filtered"]
    table = {(line[0], line[1]): line[2:] for line in shown[1:] if len(line) == 9}
    assert len(table) == sum(len(splits) for splits in manifest.splits.values())
    entry = manifest.split("scienceqa", "train")
    numbers = [entry.read, entry.written, 0, sum(entry.filtered.values()), len(entry.shards)]
    assert table["scienceqa", "train"][:5] == [str(number) for number in numbers]
    assert table["msvd_qa", "val"][-1] == "6,415"  # checked
    assert table["vqav2", "val"][-1] == "214,354?"  # not checked
    assert shown[-1] == ["dataset", manifest.content_hash[:16], "in", "data/instruct"]


def test_remarks_show_all_that_needs_attention(console, built, manifest_of):
    manifest = manifest_of(built)
    entry = replace(manifest.split("vqav2", "val"), rejected={"empty_text": 1_200}, expected={})
    leak = Leak(training="vqav2/train", evaluation="visdial/val", groups=2_000, examples=1)
    manifest = replace(
        manifest,
        splits={"vqav2": {"val": entry}},
        missing={"vqav2": {"train": ("a.json", "b.json"), "test": ("c.json",)}},
        candidates={"msvd_qa": CandidatesEntry(path=None, rows=0, sha256=None, reason="no file")},
        leakage=Leakage(verdict="examples_shared", leaks=(leak,)),
    )
    print_build(manifest, "out", console)
    shown = console.file.getvalue()
    assert "unknown" in shown  # how many records are expected
    assert "- vqav2/val: 1,200 rejected, empty_text\n" in shown
    assert "- vqav2: not built: train lacks a.json, b.json; test lacks c.json\n" in shown
    assert "- msvd_qa: no answer vocabulary: no file\n" in shown
    assert "- vqav2/train shares 2,000 images and 1 examples with visdial/val\n" in shown


def test_a_brief_build_is_shown_in_one_line_and_what_needs_a_look(console, built, manifest_of):
    manifest = manifest_of(built)
    missing = {"vqav2": {"train": ("a.json",)}}
    print_build(replace(manifest, missing=missing), "out", console, brief=True)
    totals, remark, where = console.file.getvalue().splitlines()
    entries = [entry for splits in manifest.splits.values() for entry in splits.values()]
    assert totals.startswith(f"{len(manifest.splits)} sources, {len(entries)} splits: ")
    assert f" {sum(entry.written for entry in entries):,} written, " in totals
    assert remark == "- vqav2: not built: train lacks a.json"
    assert where.endswith(" in out")


def test_a_path_in_a_remark_is_not_markup(console, built, manifest_of):
    print_build(manifest_of(built), "[red]out[/red]", console)
    assert "in [red]out[/red]" in console.file.getvalue()


def test_a_mixture_is_shown_with_its_epochs(console):
    mixture_table(mix({"vqav2": 400, "coco_caption": 100}), 3_000, "toy, rule sqrt", console)
    shown = rows(console)
    assert shown[0] == ["toy,", "rule", "sqrt"]
    assert ["vqav2", "400", "20.0", "1", "0.6667", "5.00"] in shown
    assert ["coco_caption", "100", "10.0", "1", "0.3333", "10.00"] in shown
    assert "epochs: over each source in a run of 3,000 samples" in console.file.getvalue()


def test_all_sources_are_listed_with_what_is_on_disk(console):
    complete = dict.fromkeys(SOURCE_IDS, ()) | {"vqav2": ("train", "val")}
    console.print(sources_table(complete, "data/raw"))
    shown = {line[0]: line for line in rows(console)[1:]}
    assert list(shown) == list(SOURCE_IDS)
    assert shown["vqav2"][1:4] == ["vqa", "in", "443,757"]
    assert shown["vqav2"][-2:] == ["train,", "val"]
    assert shown["msvd_qa"][-1] == "none"


@pytest.mark.parametrize("source_id", SOURCE_IDS)
def test_every_card_is_shown_whole(console, source_id):
    card = load_source(source_id).card
    console.print(card_table(card))
    console.print(split_table(card, {split: "complete" for split in card.splits}))
    console.print(file_table(card, "data/raw"))
    shown = console.file.getvalue()
    for name in (*card.splits, *(file.name for file in card.files)):
        assert name in shown
    assert str(card.home.value) in shown
