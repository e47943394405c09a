"""The whole build, from the command line to the published folder."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from datagen.dataset import open_dataset
from datagen.errors import RawDataError, UserError
from datagen.files import LocalFiles
from datagen.sources import load_source
from pipelines.build.execute import user_error
from pipelines.cli.commands import build as build_command
from pipelines.cli.main import main


@pytest.fixture(scope="session")
def splits(six):
    """Every split of the raw files, as (source, split)."""
    return [(source, split) for source in six for split in load_source(source).split_names()]


def test_all_splits_of_the_sample_are_built_and_the_manifest_is_true(
    six, splits, built, raw, verify
):
    manifest = verify(built, raw)
    held = [(source, split) for source, splits in manifest.splits.items() for split in splits]
    assert sorted(held) == sorted(splits)
    assert all(manifest.split(*each).written for each in splits)
    assert not set(manifest.missing) & set(six)
    assert manifest.rejected_files == {}
    assert manifest.leakage.verdict == "clean"
    assert set(manifest.inputs) == set(six)
    assert manifest.images == "reference"
    assert manifest.notes == (
        "images are kept by reference: their bytes are not hashed",
        "the templates are visinstruct's own text, not those of the InstructBLIP paper",
    )


def test_the_manifest_names_the_versions_that_can_change_a_byte(built, manifest_of):
    versions = manifest_of(built).versions
    assert {"visinstruct", "code", "python", "pyarrow", "jinja2", "pillow"} <= set(versions)
    assert all(versions.values())


def test_record_ids_are_unique_and_training_records_have_weights(built, records_of):
    records = records_of(built)
    assert len({record.record_id for record in records}) == len(records) > 300
    weighted = [record for record in records if record.weight is not None]
    assert {record.source for record in weighted} == {"coco_caption", "vqav2", "vqav2_qg"}
    assert {record.split for record in weighted} == {"train"}


def test_adding_a_source_changes_no_shard_of_the_others(raw, tmp_path, build, digests):
    few, more = tmp_path / "few", tmp_path / "more"
    assert build(raw, few, "--sources", "vqav2,msvd_qa").status == 0
    assert build(raw, more, "--sources", "vqav2,msvd_qa,coco_caption").status == 0
    before, after = digests(few), digests(more)
    shards = {path for path in before if path.startswith(("data/", "candidates/"))}
    assert len(shards) > 5
    assert {path: after[path] for path in shards} == {path: before[path] for path in shards}
    assert before["mixture.parquet"] != after["mixture.parquet"]


def test_mixture_parquet_holds_the_probability_of_every_trained_split(
    raw, tmp_path, build, manifest_of, records_of
):
    mixture = tmp_path / "mixture.yaml"
    mixture.write_text("factors: {vqav2_qg: 3}\nsplits: {vqav2: [train, val]}\n")
    out = tmp_path / "out"
    assert build(raw, out, "--sources", "vqav2,vqav2_qg", "--mixture", mixture).status == 0
    rows = pq.read_table(out / "mixture.parquet").to_pylist()
    assert [(row["source"], row["split"]) for row in rows] == [
        ("vqav2", "train"),
        ("vqav2", "val"),
        ("vqav2_qg", "train"),
    ]
    manifest = manifest_of(out)
    assert sum(row["probability"] for row in rows) == pytest.approx(1)
    for row in rows:
        assert row["records"] == manifest.split(row["source"], row["split"]).written
        assert row["factor"] == manifest.mixture[row["source"]].factor
        (weight,) = {record.weight for record in records_of(out, row["source"], row["split"])}
        assert row["weight"] == weight
    both = sum(row["probability"] for row in rows if row["source"] == "vqav2")
    assert both == pytest.approx(manifest.mixture["vqav2"].probability)


def test_a_build_without_training_sets_has_an_empty_mixture(raw, tmp_path, build):
    out = tmp_path / "out"
    assert build(raw, out, "--sources", "msvd_qa").status == 0
    assert pq.read_table(out / "mixture.parquet").to_pylist() == []


def test_a_sampler_with_the_weights_draws_the_mixture(built, manifest_of):
    torch = pytest.importorskip("torch")
    mixture = manifest_of(built).mixture
    shards = [s.path for n in mixture for s in manifest_of(built).split(n, "train").shards]
    rows = pa.concat_tables(
        [pq.read_table(built / path, columns=["source", "weight"]) for path in shards]
    )
    sources, weights = rows["source"].to_pylist(), rows["weight"].to_pylist()
    generator = torch.Generator().manual_seed(0)
    sampler = torch.utils.data.WeightedRandomSampler(weights, 60_000, generator=generator)
    drawn = Counter(sources[index] for index in sampler)
    for source, part in mixture.items():
        assert drawn[source] / 60_000 == pytest.approx(part.probability, abs=0.01)


def test_a_dataset_of_schema_version_1_can_be_read(built, tmp_path, records_of):
    old = Path(shutil.copytree(built, tmp_path / "old"))
    (old / "mixture.parquet").unlink()
    manifest = json.loads((old / "manifest.json").read_text())
    total = sum(part["size"] for part in manifest["mixture"].values())
    for source in manifest["mixture"]:
        for shard in manifest["splits"][source]["train"]["shards"]:
            table = pq.read_table(old / shard["path"])
            place = table.schema.get_field_index("weight")
            weight = pa.array([1 / total] * len(table), pa.float64())
            pq.write_table(table.set_column(place, "weight", weight), old / shard["path"])
            data = (old / shard["path"]).read_bytes()
            shard["num_bytes"], shard["sha256"] = len(data), hashlib.sha256(data).hexdigest()
    (old / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 1}))
    assert {r.weight for r in records_of(old, "vqav2", "train")} == {1 / total}
    ids = [record.record_id for record in records_of(old)]
    assert ids == [record.record_id for record in records_of(built)]


def test_paths_of_images_are_relative_to_their_collection(built, records_of, raw):
    for record in records_of(built):
        for image in record.images or ():
            collection, _, rest = image.path.partition("/")
            folder = raw / ("" if collection == "scienceqa" else "images") / collection
            assert (folder / rest).is_file()
            assert image.bytes is None


def test_embedded_images_are_the_publishers_bytes(embedded, raw, verify, records_of):
    assert not any("not hashed" in note for note in verify(embedded, raw).notes)
    published = {
        image.path: image.bytes
        for record in records_of(embedded)
        if record.video is None
        for image in record.images
    }
    assert len(published) > 20
    for path, data in published.items():
        folder = raw if path.startswith("scienceqa/") else raw / "images"
        assert data == (folder / path).read_bytes()


def test_embedded_clips_are_four_images(embedded, records_of):
    for record in records_of(embedded, "msvd_qa"):
        assert len(record.images) == len(record.video.frame_times) == 4
        for image in record.images:
            assert Image.open(io.BytesIO(image.bytes)).size == (144, 144)


def test_embedded_images_shrink_to_the_longest_side(raw, tmp_path, build, verify, records_of):
    out = tmp_path / "out"
    assert build(raw, out, "--images", "embed", "--image-max-side", 64).status == 0
    manifest = verify(out, raw)
    assert manifest.split("vqav2", "train").reencoded > 0
    sizes = {
        Image.open(io.BytesIO(image.bytes)).size
        for record in records_of(out)
        for image in record.images
    }
    assert sizes and all(max(size) <= 64 for size in sizes)


def test_the_module_and_the_command_are_the_same_program(raw, tmp_path, start, built, digests):
    out = tmp_path / "out"
    process = start("--raw", raw, "--out", out, module="pipelines.build", cwd=tmp_path)
    outcome = process.end()
    assert outcome.status == 0, outcome.err
    assert "dataset " in outcome.out
    assert digests(out) == digests(built)


def test_the_installed_command_is_this_program():
    (script,) = entry_points(group="console_scripts", name="visinstruct")
    assert script.load() is main


def test_what_is_printed_tells_of_every_split(splits, raw, tmp_path, build):
    outcome = build(raw, tmp_path / "out")
    assert outcome.status == 0
    lines = [line.split() for line in outcome.out.splitlines()]
    assert {(line[0], line[1]) for line in lines if len(line) > 5} >= set(splits)
    assert "- scienceqa/train: 3 filtered, no_image" in outcome.out
    stages = [line.split(":")[0] for line in outcome.err.splitlines()]
    assert stages == ["index", "plan", "records", "finish"]


def test_totals_are_one_line(raw, tmp_path, build):
    outcome = build(raw, tmp_path / "out", "--sources", "msvd_qa", "--brief")
    assert outcome.out.splitlines()[0].startswith("1 sources, ")


# --- the options


def test_every_option_of_the_command_is_tested_here():
    import argparse

    parser = argparse.ArgumentParser(add_help=False)
    build_command.add_arguments(parser)
    names = ("test_run.py", "test_update.py", "test_own_sources.py", "test_from_hub.py")
    tested = "".join(Path(__file__).with_name(name).read_text() for name in names)
    options = [option for action in parser._actions for option in action.option_strings]
    assert len(options) > 14
    assert [option for option in options if f'"{option}"' not in tested] == []


def test_only_the_named_sources_and_splits_are_built(raw, tmp_path, build, manifest_of):
    out = tmp_path / "out"
    assert build(raw, out, "--sources", "vqav2, msvd_qa", "--splits", "val,test").status == 0
    splits = manifest_of(out).splits
    assert {source: sorted(held) for source, held in splits.items()} == {
        "vqav2": ["test", "val"],
        "msvd_qa": ["test", "val"],
    }


def test_order_and_repetition_of_names_change_nothing(raw, tmp_path, build, digests):
    one, other = tmp_path / "one", tmp_path / "other"
    assert build(raw, one, "--sources", "vqav2,msvd_qa", "--splits", "train,val").status == 0
    again = ("--sources", "msvd_qa,vqav2,msvd_qa", "--splits", "val,train,val")
    assert build(raw, other, *again).status == 0
    assert digests(one) == digests(other)


def test_a_limit_takes_the_first_rows_of_each_file(
    splits, raw, tmp_path, build, verify, records_of, built
):
    out = tmp_path / "out"
    assert build(raw, out, "--limit", 2).status == 0
    manifest = verify(out, raw)
    assert all(manifest.split(*each).rows <= 2 for each in splits)
    questions = json.loads((raw / "vqav2/v2_OpenEnded_mscoco_val2014_questions.json").read_text())
    first = {f"vqav2/val/{row['question_id']}" for row in questions["questions"][:2]}
    assert {record.record_id for record in records_of(out, "vqav2", "val")} == first
    assert first <= {record.record_id for record in records_of(built, "vqav2", "val")}


def test_images_may_lie_elsewhere(raw_copy, tmp_path, build, built, digests):
    shutil.move(raw_copy / "images/coco", tmp_path / "coco")
    shutil.move(raw_copy / "videos/msvd", tmp_path / "clips")
    out = tmp_path / "out"
    roots = (f"coco={tmp_path}/coco", f"msvd={tmp_path}/clips")
    assert build(raw_copy, out, "--image-root", roots[0], "--image-root", roots[1]).status == 0
    assert digests(out) == digests(built)


@pytest.mark.parametrize("layout", ["folder", "files", "hub cache"])
def test_linked_images_are_followed_if_the_user_says_so(layout, raw_copy, tmp_path, build, digests):
    fresh, out = tmp_path / "fresh", tmp_path / "out"
    only = ("--sources", "vqav2", "--splits", "train")
    assert build(raw_copy, fresh, *only).status == 0
    folder, roots = raw_copy / "images/coco/train2014", ()
    elsewhere = tmp_path / "elsewhere"
    if layout == "folder":
        shutil.move(folder, elsewhere)
        folder.symlink_to(elsewhere)
    else:
        place = tmp_path / "cache/snapshots/1a2b/train2014"
        place.mkdir(parents=True)
        (tmp_path / "cache/blobs").mkdir()
        for number, path in enumerate(sorted(folder.iterdir())):
            blob = tmp_path / f"cache/blobs/{number:064x}"
            path.rename(blob)
            (path if layout == "files" else place / path.name).symlink_to(
                blob if layout == "files" else f"../../../blobs/{blob.name}"
            )
        if layout == "hub cache":
            roots = ("--image-root", f"coco={tmp_path}/cache/snapshots/1a2b")
    message = build(raw_copy, out, *only, *roots).message
    assert "is a link out of its collection; pass --follow-links, or name the folder" in message
    assert build(raw_copy, out, *only, *roots, "--follow-links").status == 0
    assert digests(out) == digests(fresh)


def test_links_into_a_named_root_are_followed(raw_copy, tmp_path, build, digests):
    fresh, out = tmp_path / "fresh", tmp_path / "out"
    only = ("--sources", "vqav2", "--splits", "train")
    assert build(raw_copy, fresh, *only).status == 0
    shutil.move(raw_copy / "images/coco", tmp_path / "disk")
    (tmp_path / "disk/here").mkdir()
    (tmp_path / "disk/here/train2014").symlink_to(tmp_path / "disk/train2014")
    roots = (f"coco={tmp_path}/disk/here", f"flickr30k={tmp_path}/disk/train2014")
    named = [part for root in roots for part in ("--image-root", root)]
    assert build(raw_copy, out, *only, *named[:2]).status == 2
    assert build(raw_copy, out, *only, *named).status == 0
    assert digests(out) == digests(fresh)


def test_references_to_absent_images_can_be_kept(raw_copy, tmp_path, build, verify, records_of):
    shutil.rmtree(raw_copy / "images")
    out = tmp_path / "out"
    options = ("--sources", "vqav2,visdial", "--missing-images", "keep")
    assert build(raw_copy, out, *options).status == 0
    verify(out, raw_copy)
    assert all(record.images[0].path for record in records_of(out))
    train = open_dataset(str(out)).manifest.splits["visdial"]["train"]
    assert train.filtered == {"media_path_unknown": train.read}  # rows do not name the folder


def test_limits_on_rejections_are_options(raw_copy, tmp_path, build, verify, edit_json):
    def spoil(document):
        document["questions"][0]["question"] = ""

    edit_json(raw_copy / "vqav2/v2_OpenEnded_mscoco_train2014_questions.json", spoil)
    paths = sorted((raw_copy / "images/coco/train2014").iterdir())
    paths[1].unlink()
    only = ("--sources", "vqav2", "--splits", "train")
    out = tmp_path / "out"
    none = ("--max-reject-fraction", 0, "--max-missing-fraction", 0)
    message = build(raw_copy, out, *only, *none).message
    assert "1 of 51 rows rejected (1 empty_text), more than --max-reject-fraction 0" in message
    assert "4 of 51 records lack their image or clip" in message
    assert not out.exists()
    some = ("--max-reject-fraction", 0.1, "--max-missing-fraction", 0.2)
    assert build(raw_copy, out, *only, *some).status == 0
    entry = verify(out, raw_copy).split("vqav2", "train")
    assert set(entry.rejected) == {"empty_text", "media_missing"}


def test_another_seed_gives_other_templates_of_the_same_examples(
    raw, tmp_path, build, built, records_of
):
    out = tmp_path / "out"
    assert build(raw, out, "--seed", 7, "--sources", "vqav2").status == 0
    theirs = {r.record_id: r for r in records_of(built, "vqav2", "train")}
    ours = {r.record_id: r for r in records_of(out, "vqav2", "train")}
    assert ours.keys() == theirs.keys()
    assert [*ours] != [*theirs]
    changed = [r for r in ours if ours[r].instruction != theirs[r].instruction]
    assert len(changed) > len(ours) / 2


@pytest.mark.parametrize("seed", [-1, 10**30])
def test_any_whole_number_is_a_seed(raw, tmp_path, build, manifest_of, seed):
    out = tmp_path / "out"
    assert build(raw, out, "--sources", "msvd_qa", "--seed", seed).status == 0
    assert manifest_of(out).render_seed == seed


def test_templates_come_from_another_set_or_folder(raw, tmp_path, build, records_of, manifest_of):
    own = tmp_path / "mine"
    own.mkdir()
    text = "task: video_qa\ntarget: '{{ answer }}'\n"
    text += "templates:\n- {id: video_qa.own.1, instruction: 'See: {{ question }}'}\n"
    (own / "video_qa.yaml").write_text(text)
    for template_dir, expected in (("plain", "video_qa.plain"), (own, "video_qa.own.1")):
        out = tmp_path / f"out-{Path(template_dir).name}"
        options = ("--sources", "msvd_qa", "--splits", "train", "--template-dir", template_dir)
        assert build(raw, out, *options).status == 0
        assert {r.template_id.startswith(expected) for r in records_of(out)} == {True}
        assert manifest_of(out).template_set == Path(template_dir).name


def test_a_template_folder_may_be_the_current_one(raw, tmp_path, build, manifest_of, monkeypatch):
    own = Path(shutil.copytree(Path(build_command.template_folder("plain")), tmp_path / "mine"))
    monkeypatch.chdir(own)
    options = ("--sources", "msvd_qa", "--template-dir", ".")
    assert build(raw, tmp_path / "out", *options).status == 0
    assert manifest_of(tmp_path / "out").template_set == "mine"


def test_the_mixture_of_a_file_decides_the_weights(raw, tmp_path, build, records_of, manifest_of):
    mixture = tmp_path / "mixture.yaml"
    mixture.write_text("rule: uniform\nfactors: {vqav2: 3}\nsplits: {coco_caption: [val, test]}\n")
    out = tmp_path / "out"
    options = ("--sources", "vqav2,coco_caption", "--mixture", mixture)
    assert build(raw, out, *options).status == 0
    parts = manifest_of(out).mixture
    assert parts["vqav2"].probability == pytest.approx(0.75)
    assert parts["coco_caption"].size == 4
    weights = {(r.source, r.split): r.weight for r in records_of(out)}
    assert weights["coco_caption", "train"] is None
    assert weights["coco_caption", "val"] == weights["coco_caption", "test"] == 1 / 4


def test_memory_options_are_sizes(raw, tmp_path, build, built, digests):
    for size in ("512MB", "1.5 GB", "8g", str(1 << 30)):
        out = tmp_path / size
        assert build(raw, out, "--max-memory", size).status == 0, size
        assert digests(out) == digests(built)


def test_the_number_of_workers_changes_no_byte(raw, tmp_path, build, digests, start):
    only = ("--sources", "msvd_qa,vqav2", "--images", "embed")
    assert build(raw, tmp_path / "one", *only, "--workers", 1).status == 0
    two = start("build", "--raw", raw, "--out", tmp_path / "two", *only, "--workers", 2).end()
    assert two.status == 0, two.err
    assert "2 processes" in two.err
    assert digests(tmp_path / "two") == digests(tmp_path / "one")
    report = json.loads((tmp_path / "two/report.json").read_text())
    assert report["engine"] == "FnApiRunner, multi_processing 2"


def test_the_report_names_the_engine_that_really_ran(raw, tmp_path, build):
    """`DirectRunner` would take Prism if it could be downloaded."""
    only = ("--sources", "msvd_qa", "--runner=DirectRunner", "--prism_location=/nowhere/prism")
    assert build(raw, tmp_path / "out", *only).status == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["runner"], report["engine"]) == ("DirectRunner", "FnApiRunner")


def test_workers_go_with_this_machine_alone(raw, tmp_path, build):
    message = build(raw, tmp_path / "out", "--workers", 2, "--direct_num_workers", 3).message
    assert "--workers 2 is for builds on this machine; leave it out" in message
    assert "--workers: " in build(raw, tmp_path / "out", "--workers", 0).message


def test_a_build_that_stands_still_ends_with_the_reason_and_is_resumed(
    raw, tmp_path, build, built, digests, monkeypatch
):
    """A disk that does not answer: the first shard is never written."""
    asleep = threading.Event()

    def hang(*_):
        if not asleep.wait(60):
            raise AssertionError("nothing interrupted the build")
        raise KeyboardInterrupt  # the thread of the engine ends when the test does

    monkeypatch.setattr("datagen.build.shard_writer.ShardWriter.write", hang)
    monkeypatch.setattr("pipelines.build.watch.POLLS_PER_STALL", 5)
    out = tmp_path / "out"
    outcome = build(raw, out, "--stall-minutes", 1 / 60)
    asleep.set()
    assert outcome.status == 2
    assert "no progress for 0.0166667 minutes" in outcome.message
    assert " in shard 0 of coco_caption/train" in outcome.message
    assert "start the same command again to resume" in outcome.message
    assert not out.exists()
    monkeypatch.undo()
    assert build(raw, out).status == 0
    assert digests(out) == digests(built)


def test_the_time_without_progress_is_positive(raw, tmp_path, build):
    for minutes in (0, -1, "nan", "inf"):
        assert "--stall-minutes: " in build(raw, tmp_path / "o", "--stall-minutes", minutes).message


def test_help_tells_of_beams_options(run):
    outcome = run("build", "--help")
    assert outcome.status == 0
    assert "Any option of Apache Beam may follow" in " ".join(outcome.out.split())


# --- what is read back


CARD_AND_DATASETS = """
import json, sys
import datasets
from huggingface_hub import DatasetCard

out, embedded = sys.argv[1:]
card = DatasetCard.load(out + "/README.md").data.to_dict()
everything = {
    f"{config['config_name']}/{files['split']}": len(
        datasets.load_dataset(out, config["config_name"], split=files["split"])
    )
    for config in card["configs"]
    for files in config["data_files"]
}
default = datasets.load_dataset(out)
val = datasets.load_dataset(out, "vqav2", split="val")
images = datasets.load_dataset(embedded)["train"]
print(json.dumps({
    "everything": everything,
    "default": {split: len(rows) for split, rows in default.items()},
    "val": len(val),
    "question": val[0]["question"],
    "reference": val[0]["images"],
    "size": images[0]["images"][0].size,
}))
"""


def test_the_hub_card_is_read_by_datasets_without_a_network(
    splits, built, embedded, tmp_path, manifest_of, records_of
):
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "home"),
        "HF_DATASETS_CACHE": str(tmp_path / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-c", CARD_AND_DATASETS, built, embedded],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    manifest = manifest_of(built)
    trained = sum(part.size for part in manifest.mixture.values())
    assert found["everything"] == {"default/train": trained} | {
        f"{source}/{split}": manifest.split(source, split).written for source, split in splits
    }
    assert found["default"] == {"train": trained}
    first = records_of(built, "vqav2", "val")[0]
    assert found["val"] == manifest.split("vqav2", "val").written
    assert found["question"] == first.question
    assert found["reference"] == [{"bytes": None, "path": first.images[0].path}]
    assert found["size"] == [144, 144]


def test_two_datasets_in_folders_of_one_name_differ_for_datasets(built, embedded):
    """`datasets` caches by the folder's name and the card's configurations, and by nothing else."""
    assert built.name == embedded.name
    cards = [
        yaml.safe_load((out / "README.md").read_text().split("---\n")[1])
        for out in (built, embedded)
    ]
    for one, other in zip(cards[0]["configs"], cards[1]["configs"], strict=True):
        assert one != other


def test_the_readme_opens_with_the_cards_header(six, built):
    text = (built / "README.md").read_text()
    _, header, body = text.split("---\n", 2)
    card = yaml.safe_load(header)
    assert card["configs"][0]["config_name"] == "default"
    assert {config["config_name"] for config in card["configs"][1:]} == set(six)
    assert "Please cite the datasets" in body


def test_the_report_tells_of_the_run(built, raw):
    report = json.loads((built / "report.json").read_text())
    assert report["runner"] == "FnApiRunner"
    assert report["engine"] == "FnApiRunner"
    assert report["raw"] == str(raw)
    assert set(report["seconds"]) >= {"index", "plan", "records"}


# --- an output that is there already


def test_the_same_command_again_does_nothing(raw, tmp_path, build, digests):
    out = tmp_path / "out"
    assert build(raw, out, "--sources", "msvd_qa").status == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    outcome = build(raw, out, "--sources", "msvd_qa")
    assert outcome.status == 0
    assert f"{out} is built already, nothing to do" in outcome.err
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_same_data_elsewhere_are_the_same_build(raw, raw_copy, tmp_path, build):
    out = tmp_path / "out"
    assert build(raw, out, "--sources", "msvd_qa").status == 0
    again = build(raw_copy, out, "--sources", "msvd_qa", "--max-memory", "1GB")
    assert again.status == 0
    assert "nothing to do" in again.err


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (("--seed", 1), "seed was 0, is 1"),
        (("--limit", 1), "limit was None, is 1"),
        (("--images", "embed"), "images was 'reference', is 'embed'"),
        (("--missing-images", "keep"), "missing_images was 'reject', is 'keep'"),
    ],
)
def test_other_options_are_refused_with_what_differs(built_clips, raw, build, options, difference):
    before = sorted(built_clips.rglob("*"))
    outcome = build(raw, built_clips, "--sources", "msvd_qa", *options)
    assert outcome.status == 2
    assert "holds another build (" in outcome.message
    assert difference in outcome.message
    assert "pass another folder as --out, or remove this one" in outcome.message
    assert sorted(built_clips.rglob("*")) == before


def test_changed_and_additional_files_are_refused_by_name(built_clips, raw_copy, build, edit_json):
    edit_json(raw_copy / "msvd_qa/val_qa.json", lambda rows: rows[:-1])
    message = build(raw_copy, built_clips, "--sources", "msvd_qa").message
    assert "(msvd_qa/val_qa.json changed)" in message
    (raw_copy / "msvd_qa/val_qa.json").unlink()
    message = build(raw_copy, built_clips, "--sources", "msvd_qa").message
    assert "(msvd_qa/val_qa.json is missing)" in message


def test_another_version_of_a_library_is_refused_by_name(
    built_clips, raw, tmp_path, build, edit_json
):
    out = Path(shutil.copytree(built_clips, tmp_path / "out"))

    def change(manifest):
        manifest["fingerprint"] = "0" * 16
        manifest["versions"]["pyarrow"] = "0.0"

    edit_json(out / "manifest.json", change)
    message = build(raw, out, "--sources", "msvd_qa").message
    assert "version of pyarrow was '0.0', is '" in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"schema_version": 999}', "has schema version 999, this visinstruct reads"),
        ('{"schema_version": 1}', "is damaged"),
        ('{"name": "a browser\'s extension"}', "is damaged"),
        ("", "is damaged"),
        ("{", "is damaged"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_told_of(raw, tmp_path, build, refused, content, reason):
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text(content)
    assert reason in build(raw, out).message
    assert reason in refused("show", out)
    assert reason in refused("mixture", out)


def test_a_manifest_of_arbitrary_bytes_is_told_of(raw, tmp_path, build):
    (tmp_path / "manifest.json").write_bytes(b"\xff\xfe\x00")
    assert "is damaged" in build(raw, tmp_path).message


def test_without_manifest_there_is_no_dataset(built_clips, raw, tmp_path, build, refused):
    out = Path(shutil.copytree(built_clips, tmp_path / "out"))
    (out / "manifest.json").unlink()
    assert "has no manifest.json" in refused("show", out)
    message = build(raw, out, "--sources", "msvd_qa").message
    assert "is not empty and no dataset of visinstruct; give a new or empty folder" in message


def test_foreign_files_are_left_alone(raw, tmp_path, build):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    message = build(raw, out).message
    assert f"{out} is not empty and no dataset of visinstruct" in message
    assert (out / "thesis.tex").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_is_no_output_folder(raw, tmp_path, build):
    out = tmp_path / "out"
    out.write_text("something")
    assert "give a new or empty folder to --out" in build(raw, out).message
    assert out.read_text() == "something"
    below = build(raw, out / "instruct")
    assert below.status == 2
    assert "Not a directory" in below.message


@pytest.mark.parametrize("place", ["new", "new/deep/er", "empty", "link", "dangling", "trailing/"])
def test_new_empty_and_linked_folders_are_outputs(raw, tmp_path, build, verify, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other disk").mkdir()
    (tmp_path / "link").symlink_to("other disk")
    (tmp_path / "dangling").symlink_to(tmp_path / "other disk/instruct")
    out = f"{tmp_path}/{place}"
    assert build(raw, out, "--sources", "msvd_qa").status == 0
    verify(Path(out), raw)
    assert list(tmp_path.rglob("*.staging-*")) == []
    if place in ("link", "dangling"):
        assert Path(out).is_symlink()


def test_the_current_folder_is_an_output_if_it_is_empty(raw, tmp_path, build, verify, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.chdir(out)
    assert build(raw, ".", "--sources", "msvd_qa").status == 0
    verify(out, raw)


def test_a_mount_point_is_refused_before_any_work(raw, tmp_path, build, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: path == str(out))
    message = build(raw, out).message
    assert f"{out} is a mount point" in message
    assert f"such as {out}/instruct" in message


def test_two_builds_of_the_same_output_do_not_run_at_once(
    raw, tmp_path, build, run, monkeypatch, verify
):
    out = tmp_path / "out"
    command = ("build", "--raw", raw, "--out", out, "--sources", "msvd_qa")
    meanwhile = []

    def write_shards(self, *arguments):
        monkeypatch.undo()
        meanwhile.append(run(*command))
        return write(self, *arguments)

    from datagen.build.shard_writer import ShardWriter

    write = ShardWriter.write
    monkeypatch.setattr(ShardWriter, "write", write_shards)
    assert run(*command).status == 0
    (second,) = meanwhile
    assert second.status == 2
    assert f"another build is writing {out}.staging-" in second.message
    assert "wait for it" in second.message
    verify(out, raw)


def test_what_another_build_wrote_meanwhile_is_not_touched(
    raw, tmp_path, run, monkeypatch, digests
):
    out = tmp_path / "out"
    command = ("build", "--raw", raw, "--out", out, "--sources", "msvd_qa")

    def write_shards(self, *arguments):
        monkeypatch.undo()
        assert run(*command, "--seed", 5).status == 0
        return write(self, *arguments)

    from datagen.build.shard_writer import ShardWriter

    write = ShardWriter.write
    monkeypatch.setattr(ShardWriter, "write", write_shards)
    message = run(*command).message
    assert f"{out} cannot be replaced (Directory not empty)" in message
    assert json.loads((out / "manifest.json").read_text())["render_seed"] == 5
    shutil.rmtree(out)
    assert run(*command).status == 0
    assert json.loads((out / "manifest.json").read_text())["render_seed"] == 0


def test_what_stopped_builds_left_goes_with_the_first_that_ends(raw, tmp_path, build, run):
    (tmp_path / "out.staging-0123456789ab/ranges").mkdir(parents=True)
    (tmp_path / "out.staging-of-mine").mkdir()
    (tmp_path / "outer.staging-0123456789ab").mkdir()
    out = tmp_path / "out"
    assert build(raw, out, "--sources", "msvd_qa").status == 0
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["out", "out.staging-of-mine", "outer.staging-0123456789ab"]


# --- what was not right at first


def test_images_that_were_absent_are_looked_for_again(raw_copy, tmp_path, build, built, digests):
    train = raw_copy / "images/coco/train2014"
    away = tmp_path / "away"
    away.mkdir()
    for path in sorted(train.iterdir())[::2]:
        path.rename(away / path.name)
    out = tmp_path / "out"
    message = build(raw_copy, out).message
    assert "records lack their image or clip" in message
    assert not out.exists()
    for path in away.iterdir():
        path.rename(train / path.name)
    assert build(raw_copy, out).status == 0
    assert digests(out) == digests(built)


def test_a_higher_limit_goes_on_with_what_is_done(
    raw_copy, tmp_path, build, verify, edit_json, monkeypatch
):
    def spoil(document):
        document["questions"][0]["question"] = ""

    edit_json(raw_copy / "vqav2/v2_OpenEnded_mscoco_train2014_questions.json", spoil)
    out = tmp_path / "out"
    only = ("--sources", "vqav2", "--max-reject-fraction")
    assert build(raw_copy, out, *only, 0).status == 2

    def again(self):
        raise AssertionError("this range was rendered already")

    monkeypatch.setattr("datagen.build.stage.RangeWork.run", again)
    assert build(raw_copy, out, *only, 0.1).status == 0
    assert verify(out, raw_copy).options["max_reject_fraction"] == 0.1


def test_nothing_is_left_after_a_refusal_that_comes_before_the_work(raw, tmp_path, build):
    for options in (("--sources", "nope"), ("--seed", "x"), ("--runner=Nope",), ("--images", "no")):
        assert build(raw, tmp_path / "out", *options).status == 2
    assert list(tmp_path.iterdir()) == []


# --- errors of workers


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "Traceback (most recent call last):\n  File ...\n"
            "datagen.errors.RawDataError: a.json is cut off [while running 'Stage']\n",
            "a.json is cut off",
        ),
        (
            "RuntimeError: x\ndatagen.totals.RejectLimitError: nothing was published:\n",
            "nothing was published:",
        ),
        (
            "Traceback ...\nRuntimeError: OSError: [Errno 5] Input/output error: '/raw/a.json' "
            "[while running 'Write']\n",
            "Input/output error: '/raw/a.json'",
        ),
        (
            "PermissionError: [Errno 13] Permission denied: 'x'",
            "Permission denied: 'x'",
        ),
        (
            "Unable to fetch remote job server jar at https://x: offline",
            "Unable to fetch remote job server jar at https://x: offline",
        ),
    ],
)
def test_the_sentence_of_a_worker_is_found_in_its_traceback(text, sentence):
    assert str(user_error(RuntimeError(text))) == sentence


def test_an_error_of_ours_is_taken_as_it_is():
    assert str(user_error(RawDataError("a.json is empty"))) == "a.json is empty"
    assert isinstance(user_error(RawDataError("a.json is empty")), UserError)


def test_other_errors_are_not_hidden():
    assert user_error(RuntimeError("KeyError: 'x' [while running 'Stage']")) is None
    assert user_error(AssertionError("a bug of ours")) is None


@pytest.mark.parametrize("error", [KeyError("answers"), AssertionError(), TypeError("no\nline")])
def test_a_bug_is_one_sentence_with_its_row_and_the_traceback_is_in_a_log(
    error, raw, tmp_path, build, monkeypatch
):
    from datagen.build.stage import RangeWork

    accept = RangeWork.accept

    def fail(self, example, position):
        raise error

    out = tmp_path / "out"
    only = ("--sources", "msvd_qa", "--splits", "val")
    monkeypatch.setattr(RangeWork, "accept", fail)
    outcome = build(raw, out, *only)
    assert outcome.status == 2
    assert "msvd_qa/val: val_qa.json, row 0: " + type(error).__name__ in outcome.message
    assert '; the row is {"answer":' in outcome.message
    assert f"The traceback is in {out}.error.log; please report it" in outcome.message
    assert "Traceback (most recent call last)" in (tmp_path / "out.error.log").read_text()
    monkeypatch.setattr(RangeWork, "accept", accept)
    assert build(raw, out, *only).status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_bug_outside_a_row_has_its_traceback_in_a_log_too(raw, tmp_path, build, monkeypatch):
    from datagen.build.shard_writer import ShardWriter

    def fail(self, *arguments):
        raise KeyError("shard")

    monkeypatch.setattr(ShardWriter, "write", fail)
    outcome = build(raw, tmp_path / "out", "--sources", "msvd_qa", "--splits", "val")
    assert outcome.status == 2
    assert outcome.message.startswith("visinstruct: the build failed: KeyError: shard; nothing")
    assert "in fail" in (tmp_path / "out.error.log").read_text()


def test_a_silent_job_service_is_told_of():
    class FutureTimeoutError(Exception):
        pass

    assert "--job_endpoint" in str(user_error(FutureTimeoutError()))


def test_a_file_that_vanishes_during_the_build_is_told_of(raw_copy, tmp_path, build, monkeypatch):
    from datagen.build.stage import RangeWork

    path = raw_copy / "msvd_qa/val_qa.json"
    run_range = RangeWork.run

    def vanish(self):
        path.unlink(missing_ok=True)
        return run_range(self)

    monkeypatch.setattr(RangeWork, "run", vanish)
    outcome = build(raw_copy, tmp_path / "out", "--sources", "msvd_qa", "--splits", "val")
    assert outcome.status == 2
    assert f"No such file or directory: '{path}'" in outcome.message


def test_a_file_that_changes_during_the_build_is_told_of(raw_copy, tmp_path, build, monkeypatch):
    from datagen.build.stage import RangeWork

    path = raw_copy / "msvd_qa/val_qa.json"
    run_range = RangeWork.run

    def change(self):
        path.write_text("[]" + " " * path.stat().st_size)
        return run_range(self)

    monkeypatch.setattr(RangeWork, "run", change)
    outcome = build(raw_copy, tmp_path / "out", "--sources", "msvd_qa", "--splits", "val")
    assert outcome.status == 2
    assert f"{path} changed during the build" in outcome.message


def test_a_joined_file_that_changes_during_the_build_is_told_of(
    raw_copy, tmp_path, build, monkeypatch
):
    """Its rows keep their places and sizes, so that only its time tells."""
    from datagen.build.stage import RangeWork

    path = raw_copy / "vqav2/v2_mscoco_val2014_annotations.json"
    run_range = RangeWork.run

    def change(self):
        path.write_bytes(path.read_bytes().replace(b'"yes"', b'"YES"'))
        return run_range(self)

    monkeypatch.setattr(RangeWork, "run", change)
    only = ("--sources", "vqav2", "--splits", "val")
    message = build(raw_copy, tmp_path / "out", *only).message
    assert f"{path} changed during the build; nothing was published, start it again" in message
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    assert build(raw_copy, tmp_path / "out", *only).status == 0


def test_a_manifest_is_there_from_the_first_moment(raw, tmp_path, build, monkeypatch):
    """Whatever happens after the rename, what lies at the output is whole."""
    out = tmp_path / "out"

    def killed(path, **_):
        assert (out / "manifest.json").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.build.publish.shutil", SimpleNamespace(rmtree=killed))
    assert build(raw, out, "--sources", "msvd_qa").status == 130
    monkeypatch.undo()
    assert list(tmp_path.glob("out.staging-*"))
    again = build(raw, out, "--sources", "msvd_qa")
    assert "nothing to do" in again.err
    assert list(tmp_path.glob("out.staging-*")) == []
    assert len(list(open_dataset(str(out), LocalFiles()).records("msvd_qa", "val"))) > 0


@pytest.fixture(scope="module")
def built_clips(raw, tmp_path_factory):
    """A small dataset, to be read only."""
    out = tmp_path_factory.mktemp("clips") / "out"
    assert main(["build", "--raw", str(raw), "--out", str(out), "--sources", "msvd_qa"]) == 0
    return out
