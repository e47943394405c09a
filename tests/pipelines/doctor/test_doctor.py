"""`visinstruct doctor`: planted faults are found, each with a remedy."""

import json
import resource
import shutil
from collections import namedtuple
from importlib import metadata

import pytest

from datagen.sources import load_source
from datagen.sources.vqav2 import SOURCE as VQAV2
from pipelines.doctor import machine

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def findings(run):
    """Runs the doctor; returns the exit status and the findings that are not ok, by (check, subject)."""

    def findings(*arguments):
        outcome = run("doctor", "--json", *arguments)
        assert outcome.status in (0, 1), outcome.err
        found = json.loads(outcome.out)
        assert found["problems"] == sum(e["status"] == "problem" for e in found["findings"])
        assert all(e["status"] == "ok" or e["remedy"] for e in found["findings"])
        return outcome.status, {(e["check"], e["subject"]): e for e in found["findings"]}

    return findings


@pytest.fixture
def cards_that_fit(monkeypatch, raw, built, manifest_of):
    """Makes the published count of each split of vqav2 that of the sample."""
    entries = manifest_of(built).splits["vqav2"]
    for split, card in load_source("vqav2").card.splits.items():
        fact = card.counts["2.0"].model_copy(update={"value": entries[split].written})
        monkeypatch.setitem(card.counts, "2.0", fact)


def test_good_files_on_a_good_machine_are_no_problem(findings, raw, tmp_path, cards_that_fit):
    status, found = findings("--raw", raw, "--sources", "vqav2", "--out", tmp_path / "out")
    assert status == 0
    assert found["files", "vqav2"]["status"] == "ok"
    assert found["counts", "vqav2"]["status"] == "ok"
    assert "(release 2.0)" in found["counts", "vqav2"]["found"]
    assert found["images", "vqav2"]["found"].endswith("all are there and whole")
    assert "a build needs" in found["disk", str(tmp_path / "out")]["found"]
    assert found["time", "build"]["found"]
    assert not (tmp_path / "out").exists()


def test_another_number_of_records_than_published_is_a_warning(findings, raw):
    status, found = findings("--raw", raw, "--sources", "vqav2")
    assert status == 0
    assert found["counts", "vqav2"]["status"] == "warning"
    assert "release 2.0 has 443,757" in found["counts", "vqav2"]["found"]


def test_a_missing_file_is_a_problem_of_a_source_that_was_named(findings, raw_copy):
    for name in ("train", "val"):
        shutil.rmtree(raw_copy / "scienceqa" / "images" / name, ignore_errors=True)
    (raw_copy / "scienceqa/problems.json").unlink()
    status, found = findings("--raw", raw_copy, "--sources", "scienceqa")
    assert status == 1
    assert "problems.json" in found["files", "scienceqa"]["found"]
    assert "visinstruct fetch scienceqa" in found["files", "scienceqa"]["remedy"]


def test_a_split_without_its_file_is_a_warning_and_others_are_still_examined(findings, raw_copy):
    name = next(s.rows.file for s in VQAV2.splits if s.split == "val")
    (raw_copy / "vqav2" / name).unlink()
    status, found = findings("--raw", raw_copy, "--sources", "vqav2")
    assert status == 0
    assert f"val lacks {name}" in found["files", "vqav2"]["found"]
    assert found["images", "vqav2"]["status"] == "ok"


def test_a_file_of_another_release_is_named(findings, all_raw, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(all_raw / "hateful_memes", raw / "hateful_memes")
    (raw / "hateful_memes/dev_seen.jsonl").rename(raw / "hateful_memes/dev.jsonl")
    _, found = findings("--raw", raw)
    text = "\n".join(e["found"] for (check, _), e in found.items() if check == "files")
    assert "val lacks dev_seen.jsonl" in text or "as the first release calls it" in text


def test_a_missing_and_a_broken_image_are_found_and_told_apart(findings, raw_copy):
    first, second, *_ = sorted((raw_copy / "images/coco/train2014").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:-200])
    status, found = findings(
        "--raw", raw_copy, "--sources", "vqav2,coco_caption", "--check-images", "all"
    )
    assert status == 1, "more than a twentieth of the records"
    text = " ".join(e["found"] for (check, _), e in found.items() if check == "images")
    assert "missing in 0 records" not in text
    assert "broken in 0;" not in text
    assert first.name in text or second.name in text


def test_a_folder_of_images_that_is_missing_is_a_problem_with_the_option_that_names_it(
    findings, raw_copy
):
    shutil.rmtree(raw_copy / "images/coco")
    status, found = findings("--raw", raw_copy, "--sources", "vqav2")
    assert status == 1
    assert found["images", "vqav2"]["status"] == "problem"
    assert "--image-root coco=DIR" in found["images", "vqav2"]["remedy"]


def test_a_file_that_is_cut_off_is_a_problem_and_the_other_sources_are_examined(findings, raw_copy):
    path = next((raw_copy / "vqav2").glob("*OpenEnded*train2014*"))
    path.write_bytes(path.read_bytes()[:-50])
    status, found = findings("--raw", raw_copy, "--sources", "vqav2,scienceqa")
    assert status == 1
    assert path.name in found["rows", "vqav2"]["found"]
    assert found["images", "scienceqa"]["status"] == "ok"
    assert ("time", "build") not in found


def test_a_disk_or_memory_that_is_too_small_is_a_problem(findings, raw, tmp_path, monkeypatch):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: Usage(1, 1, 1000))
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 5000 kB\n")
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    out = tmp_path / "out"
    status, found = findings("--raw", raw, "--sources", "vqav2", "--out", out)
    assert status == 1
    assert found["disk", str(out)]["status"] == "problem"
    assert found["memory", "free"]["status"] == "problem"
    assert found["shared memory", "/dev/shm"]["status"] == "warning"


def test_limits_of_a_container_are_those_that_count(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert machine.free_memory() == 600_000
    finding = machine.check_processors()
    assert (finding.status, finding.remedy) == ("warning", "give --workers 1 to a build")


@pytest.mark.parametrize(("limit", "status"), [(100, "problem"), (512, "warning"), (4096, "ok")])
def test_few_open_files_are_found(monkeypatch, limit, status):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, 4096))
    assert machine.check_open_files().status == status


def test_an_old_library_is_a_problem(findings, monkeypatch):
    installed = metadata.version

    def version(name):
        return "8.0.0" if name == "pyarrow" else installed(name)

    monkeypatch.setattr(metadata, "version", version)
    status, found = findings()
    assert status == 1
    assert "8.0.0 is installed" in found["packages", "pyarrow"]["found"]
    assert 'pip install "pyarrow' in found["packages", "pyarrow"]["remedy"]


def test_two_packages_that_overwrite_each_other_are_a_warning(findings, monkeypatch):
    installed = metadata.version

    def version(name):
        return "4.10" if name.startswith("opencv-python") else installed(name)

    monkeypatch.setattr(metadata, "version", version)
    status, found = findings()
    assert status == 0
    assert found["packages", "opencv-python"]["status"] == "warning"


def test_a_dataset_with_a_short_file_and_without_its_images_is_found(
    findings, built, raw, tmp_path, monkeypatch
):
    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    shard = sorted(copy.rglob("*.parquet"))[1]
    status, found = findings("--dataset", built)
    assert status == 0
    assert found["dataset", str(built)]["status"] == "ok"
    assert found["images", "vqav2"]["status"] == "warning"
    shard.write_bytes(shard.read_bytes()[:-1])
    status, found = findings("--dataset", copy)
    assert status == 1
    assert shard.name in found["dataset", str(copy)]["found"]


def test_a_run_is_examined_with_its_dataset_and_images(findings, built, raw, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text(
        f"name: mine\noutput: {tmp_path / 'runs'}\ndevice: cuda\n"
        "model: {init: {from: nano, captioned: false}}\n"
        f"data: {{dataset: {built}, cache_dir: {tmp_path}, cache_bytes: 900TB, "
        f"image_roots: {{'*': {raw / 'images'}}}}}\n"
        "batch: {global_size: 8, micro_size: 2}\nprecision: {compute: fp32}\n"
        "optimizer: {steps: 10, warmup_steps: 1}\n"
    )
    status, found = findings("--config", config)
    assert status == 1
    assert found["config", str(config)]["found"] == "run mine, 10 steps"
    assert found["dataset", str(built)]["status"] == "ok"
    assert found["images", "vqav2"]["status"] == "ok"
    assert found["images", "scienceqa"]["status"] == "problem", "its folder is not in images/"
    assert found["disk", "data cache"]["status"] == "warning"


def test_a_configuration_with_an_unknown_key_is_a_problem(findings, tmp_path):
    (tmp_path / "run.yaml").write_text("name: mine\nbach: 3\n")
    status, found = findings("--config", tmp_path / "run.yaml")
    assert status == 1
    assert "bach" in found["config", str(tmp_path / "run.yaml")]["found"]


def test_more_than_may_be_read_is_not_read(findings, raw):
    status, found = findings("--raw", raw, "--max-read", "1")
    assert status == 0
    assert "neither counted nor estimated" in found["rows", "files"]["found"]


def test_a_store_that_does_not_answer_is_a_problem(findings, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    status, found = findings("--raw", "s3://nothing/raw", "--out", "s3://nothing/out")
    assert status == 1
    assert found["store", "s3://nothing/raw"]["status"] == "problem"


def test_an_engine_that_does_not_answer_is_a_problem(findings, raw):
    options = ("--runner=PortableRunner", "--job_endpoint=localhost:1")
    status, found = findings("--raw", raw, "--max-read", "1", *options)
    assert status == 1
    assert "no job service answers" in found["engine", "portable"]["found"]


def test_the_table_shows_remedies_and_shortens_what_is_well(run, raw):
    outcome = run("doctor", "--raw", raw)
    assert outcome.status == 0, outcome.out
    assert "6 others" in outcome.out
    assert "-> a part or another release is built as it is" in outcome.out
    assert "0 problems" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "x"), "--out is the output of a build"),
        (("--check-images", "some"), "--check-images some: give a number from 1, or all"),
        (("--runner=NoRunner",), "NoRunner"),
        (("--max-read", "much"), "--max-read: 'much' is not a size"),
    ],
)
def test_what_cannot_be_used_is_refused(refused, arguments, message):
    assert message in refused("doctor", *arguments)
