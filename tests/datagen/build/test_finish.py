import hashlib
import json
from typing import Any

import pytest

from datagen.build import finish
from datagen.build.options import BuildOptions
from datagen.schema.manifest import encode_manifest
from datagen.sources import load_source


def test_a_dataset_is_its_data_candidates_rejections_card_and_manifest(
    raw: Any, build: Any, ask: Any, sample_raw: Any
) -> None:
    raw.coco(1)
    raw.vqa([ask(1), ask(2, text=" ")])
    for name in ("train_qa.json", "youtube_mapping.txt"):
        raw.write(f"msvd_qa/{name}", (sample_raw / "msvd_qa" / name).read_bytes())
    building = build(max_reject_fraction=0.5, image_roots={"msvd": f"{sample_raw}/videos/msvd"})
    assert sorted(building.tree()) == [
        "README.md",
        "candidates/msvd_qa.parquet",
        "data/msvd_qa/train-00000-of-00001.parquet",
        "data/vqav2/train-00000-of-00001.parquet",
        "data/vqav2_qg/train-00000-of-00001.parquet",
        "manifest.json",
        "mixture.parquet",
        "rejected/vqav2.jsonl",
        "rejected/vqav2_qg.jsonl",
    ]


def test_the_manifest_is_written_last(
    raw: Any, prepare: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.coco(1)
    raw.vqa([ask(1)])
    building = prepare()
    building.stage()
    building.write()
    created: list[str] = []
    create = building.files.create
    monkeypatch.setattr(
        building.files,
        "create",
        lambda path, **options: created.append(path) or create(path, **options),
    )
    building.finish()
    assert created[-1].endswith("/output/manifest.json")
    assert building.tree()["manifest.json"] == encode_manifest(building.manifest)


def test_a_build_that_stops_while_it_finishes_has_no_manifest(
    raw: Any, prepare: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.coco(1)
    raw.vqa([ask(1)])
    building = prepare()
    building.stage()
    building.write()

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(finish, "hub_card", stop)
    with pytest.raises(KeyboardInterrupt):
        building.finish()
    assert "manifest.json" not in building.tree()
    monkeypatch.undo()
    building.finish()
    assert "manifest.json" in building.tree()


def test_finishing_again_gives_the_same_files(referenced: Any) -> None:
    before = referenced.tree()
    referenced.finish()
    assert referenced.tree() == before


def test_the_manifest_does_not_depend_on_the_memory(
    referenced: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = referenced.tree()
    monkeypatch.setattr(BuildOptions, "comparison_bytes", lambda _: 1_000)
    referenced.finish()
    assert referenced.tree() == before


def test_rejections_are_hashed_and_lie_in_the_order_of_the_splits(
    raw: Any, build: Any, ask: Any
) -> None:
    raw.coco(1)
    raw.vqa([ask(n, text=" " if n in (4, 2) else None) for n in range(6)])
    raw.vqa([ask(n, text=" ") for n in (7, 8)], subset="val2014")
    building = build(sources=["vqav2"], max_reject_fraction=1.0)
    data = building.tree()["rejected/vqav2.jsonl"]
    places = [(row["split"], row["row"]) for row in map(json.loads, data.splitlines())]
    assert places == [("train", 2), ("train", 4), ("val", 0), ("val", 1)]
    assert building.manifest.rejected_files == {"vqav2": hashlib.sha256(data).hexdigest()}


def test_splits_that_are_not_built_say_what_they_lack(raw: Any, build: Any, ask: Any) -> None:
    raw.coco(1)
    raw.vqa([ask(1)])
    manifest = build().manifest
    assert manifest.missing["vqav2"]["test"] == ("v2_OpenEnded_mscoco_test2015_questions.json",)
    assert manifest.missing["scienceqa"]["train"] == ("problems.json", "pid_splits.json")
    assert set(manifest.splits) == {"vqav2", "vqav2_qg"}


def test_the_mixture_is_of_the_training_sets_present(raw: Any, build: Any, ask: Any) -> None:
    raw.coco(1)
    raw.vqa([ask(n) for n in range(30)])
    mixture = build().manifest.mixture
    assert {s: (p.size, p.probability) for s, p in mixture.items()} == {
        "vqav2": (30, 0.5),
        "vqav2_qg": (30, 0.5),
    }


def test_a_dataset_without_training_sets_has_no_mixture(build: Any, sample_raw: Any) -> None:
    manifest = build(raw=sample_raw, sources=["visdial"]).manifest
    assert manifest.mixture == {}
    assert {r for splits in manifest.splits.values() for r in splits} == {"train", "val", "test"}


def test_expected_counts_come_from_the_card(referenced: Any) -> None:
    for source, splits in referenced.manifest.splits.items():
        for split, entry in splits.items():
            counts = load_source(source).card.splits[split].counts
            assert entry.expected == {r: fact.value for r, fact in counts.items() if fact.value}
            assert entry.expected_verified is all(fact.verified for fact in counts.values())
    assert referenced.manifest.split("msvd_qa", "test").expected == {"1.0": 13_157}


def test_images_of_an_embedded_dataset_are_hashed(embedded: Any) -> None:
    assert not any("not hashed" in note for note in embedded.manifest.notes)
