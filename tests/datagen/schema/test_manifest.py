import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from datagen.errors import OutputError
from datagen.files import LocalFiles
from datagen.schema.manifest import (
    SCHEMA_VERSION,
    Leakage,
    Manifest,
    MixtureEntry,
    ShardEntry,
    SourceEntry,
    SplitEntry,
    content_hash,
    encode_manifest,
    read_manifest,
)
from datagen.sources import load_source
from templates.library import load_templates
from templates.prompt_spec import PromptSpec, TemplateContent

FILES = LocalFiles()


def entry(**changes: Any) -> SplitEntry:
    fields: dict[str, Any] = {
        "layout": "official",
        "rows": 3,
        "read": 3,
        "written": 2,
        "rejected": {"empty_text": 1},
        "filtered": {},
        "reencoded": 0,
        "groups": 2,
        "expected": {"2.0": 443_757},
        "expected_verified": False,
        "shards": (shard(),),
    }
    return SplitEntry(**fields | changes)


def shard(**changes: Any) -> ShardEntry:
    fields = {"path": "data/a.parquet", "rows": 2, "num_bytes": 9, "sha256": "aa"}
    return ShardEntry(**fields | changes)


def part(**changes: Any) -> MixtureEntry:
    fields = {"size": 2, "weight": 1.5, "factor": 1.0, "probability": 1.0}
    return MixtureEntry(**fields | changes)


SPLITS = {"vqav2": {"train": entry(), "val": entry(shards=(shard(path="data/b.parquet"),))}}
MIXTURE = {"vqav2": part()}


def manifest(**changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "content_hash": "c",
        "fingerprint": "f",
        "template_set": "instruct",
        "template_hash": "t",
        "render_seed": 0,
        "images": "reference",
        "options": {"limit": None, "seed": 0},
        "mixture": MIXTURE,
        "splits": SPLITS,
        "missing": {"vqav2": {"test": ("a.json", "b.json")}},
        "candidates": {},
        "rejected_files": {"vqav2": "r"},
        "leakage": Leakage(verdict="clean", leaks=()),
        "inputs": {"vqav2": {"a.json": {"num_bytes": 1, "sha256": "x"}}},
        "versions": {"python": "3.11"},
    }
    return Manifest(**fields | changes)


def written(folder: Path, data: bytes) -> str:
    (folder / "manifest.json").write_bytes(data)
    return str(folder)


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path, referenced: Any) -> None:
    for each in (manifest(), referenced.manifest):
        again = read_manifest(written(tmp_path, encode_manifest(each)), FILES)
        assert again == each
        assert encode_manifest(again) == encode_manifest(each)


def test_the_manifest_says_what_each_source_is_rendered_with(referenced: Any) -> None:
    assert referenced.manifest.sources.keys() == referenced.manifest.splits.keys()
    for source, entry in referenced.manifest.sources.items():
        spec = load_source(source).card.prompts
        assert referenced.manifest.prompts(source, spec.tasks[0]) == spec
        assert entry.template_hash == load_templates().of(spec).hash
        assert entry.use.keys() == referenced.manifest.splits[source].keys()
    use = {"train": "train", "val": "evaluate", "test": "evaluate", "test_dev": "evaluate"}
    assert referenced.manifest.sources["vqav2"].use == use
    assert referenced.manifest.sources["gqa"].use["train"] == "unused"


def test_a_manifest_of_an_earlier_release_is_read_and_rendered(tmp_path: Path) -> None:
    old = json.loads(encode_manifest(manifest()))
    del old["sources"]
    again = read_manifest(written(tmp_path, json.dumps(old).encode()), FILES)
    assert again.sources == {}
    assert again.own_prompts() == ()
    assert again.prompts("aokvqa", "vqa") == load_source("aokvqa").card.prompts
    assert again.title("vqav2") == "VQAv2"


def test_a_manifest_holds_the_templates_of_a_source_that_brings_its_own(tmp_path: Path) -> None:
    own = TemplateContent("vqa.mine.1", "vqa", "{{ question }}?", "{{ answer }}")
    entry = SourceEntry(
        title="Pumps",
        tasks=("vqa",),
        templates=("vqa.bare",),
        own_templates=(own,),
        template_hash="h",
        held_in=True,
        use={"train": "train"},
    )
    again = read_manifest(
        written(tmp_path, encode_manifest(manifest(sources={"pumps": entry}))), FILES
    )
    spec = PromptSpec("pumps", "Pumps", ("vqa",), ("vqa.bare",), (own,))
    assert again.own_prompts() == (spec,)
    assert again.title("pumps") == "Pumps"


def test_the_encoding_does_not_depend_on_the_order_of_names() -> None:
    one = manifest(versions={"a": "1", "b": "2"}, options={"x": {"p": 1, "q": 2}, "y": 0})
    other = manifest(versions={"b": "2", "a": "1"}, options={"y": 0, "x": {"q": 2, "p": 1}})
    assert encode_manifest(one) == encode_manifest(other)


def test_a_manifest_can_be_read_by_a_person() -> None:
    text = encode_manifest(manifest()).decode()
    assert text.endswith("}\n")
    assert '\n "schema_version": 2,\n' in text
    assert json.loads(text)["splits"]["vqav2"]["train"]["rejected"] == {"empty_text": 1}


@pytest.mark.parametrize(
    ("splits", "template_hash", "mixture"),
    [
        ({"vqav2": {"train": entry(shards=(shard(sha256="bb"),)), "val": SPLITS["vqav2"]["val"]}}, "t", MIXTURE),
        ({"vqav2": {"train": entry(shards=(shard(rows=3),)), "val": SPLITS["vqav2"]["val"]}}, "t", MIXTURE),
        ({"vqav2": {"train": entry(shards=(shard(path="data/c"),)), "val": SPLITS["vqav2"]["val"]}}, "t", MIXTURE),
        ({"vqav2": {"train": entry()}}, "t", MIXTURE),
        (SPLITS, "u", MIXTURE),
        (SPLITS, "t", {"vqav2": part(probability=0.5)}),
        (SPLITS, "t", {"vqav2": part(factor=0.5)}),
        (SPLITS, "t", {}),
    ],
)  # fmt: skip
def test_shards_templates_and_mixture_change_the_content_hash(
    splits: Any, template_hash: str, mixture: Any
) -> None:
    assert content_hash(splits, template_hash, mixture) != content_hash(SPLITS, "t", MIXTURE)


def test_nothing_else_changes_the_content_hash() -> None:
    other = entry(
        rows=9, read=9, rejected={}, filtered={"x": 1}, groups=7, expected={}, layout="other"
    )
    splits = {"vqav2": {"val": SPLITS["vqav2"]["val"], "train": other}}
    renamed = msgspec.structs.replace(shard(), num_bytes=10)
    splits["vqav2"]["train"] = msgspec.structs.replace(other, shards=(renamed,))
    assert content_hash(splits, "t", MIXTURE) == content_hash(SPLITS, "t", MIXTURE)
    assert content_hash(dict(reversed(SPLITS.items())), "t", MIXTURE) == content_hash(
        SPLITS, "t", MIXTURE
    )


def test_a_builds_content_hash_is_of_its_content(referenced: Any, embedded: Any) -> None:
    for building in (referenced, embedded):
        each = building.manifest
        assert each.content_hash == content_hash(each.splits, each.template_hash, each.mixture)
    assert referenced.manifest.content_hash != embedded.manifest.content_hash


def test_a_folder_without_manifest_is_no_dataset(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(OutputError, match=r"is no dataset: it has no manifest\.json"):
            read_manifest(str(folder), FILES)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is no dataset"):
        read_manifest(str(tmp_path / "file"), FILES)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:100],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"[]",
        lambda data: data.replace(b'"fingerprint"', b'"fingerprnt"'),
        lambda data: data.replace(b'"render_seed": 0', b'"render_seed": "0"'),
        lambda data: data.replace(b"instruct", b"instr\xff\xfect"),
        lambda data: data.replace(b'"schema_version": 2', b'"schema_version": null'),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, damage: Any) -> None:
    data = encode_manifest(manifest())
    assert damage(data) != data
    with pytest.raises(OutputError, match=r"manifest\.json is damaged: "):
        read_manifest(written(tmp_path, damage(data)), FILES)


def test_a_manifest_of_another_version_is_refused_as_such(tmp_path: Path) -> None:
    message = (
        r"manifest\.json has schema version 99, this visinstruct reads 1 and 2; build the dataset"
    )
    with pytest.raises(OutputError, match=message):
        read_manifest(written(tmp_path, b'{"schema_version": 99, "other": "fields"}'), FILES)


def test_a_split_that_the_dataset_does_not_hold_is_refused() -> None:
    assert manifest().split("vqav2", "train") == entry()
    message = "this dataset has no vqav2/test; it holds vqav2/train, vqav2/val"
    with pytest.raises(OutputError, match=message):
        manifest().split("vqav2", "test")
    with pytest.raises(OutputError, match="this dataset has no okvqa/train"):
        manifest().split("okvqa", "train")


def test_a_build_says_what_it_was_made_of(referenced: Any, sample_raw: Path) -> None:
    each = referenced.manifest
    assert each.missing == {}
    assert "images are kept by reference: their bytes are not hashed" in each.notes
    for source, files in each.inputs.items():
        for name, described in files.items():
            assert (
                described["num_bytes"] == (sample_raw / source_folder(source) / name).stat().st_size
            )
    assert each.options["images"] == "reference"
    assert "raw" not in each.options
    assert "out" not in each.options


def source_folder(source: str) -> str:
    return load_source(source).card.folder


def test_what_a_manifest_says_cannot_be_changed(referenced: Any) -> None:
    each = referenced.manifest
    entry_of_split = each.split("vqav2", "train")
    parts = (
        *(each, entry_of_split, entry_of_split.shards[0]),
        *(each.candidates["msvd_qa"], each.mixture["vqav2"], each.leakage),
    )
    for part_of_it in parts:
        name = part_of_it.__struct_fields__[0]
        with pytest.raises(AttributeError, match="immutable"):
            setattr(part_of_it, name, None)
