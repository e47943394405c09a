"""A finished dataset that grows, shrinks or gets other templates: only what differs is built."""

import os
import random
import shutil
import signal
import subprocess

import pytest

from datagen.schema.manifest import Manifest
from templates.library import SHIPPED

SMALL = ("--max-missing-fraction", "1")
THREE = ("--sources", "coco_caption,msvd_qa,vqav2", *SMALL)


@pytest.fixture
def mine(tmp_path):
    """The shipped templates, to be changed."""
    folder = tmp_path / "mine"
    shutil.copytree(SHIPPED / "instruct", folder)
    shutil.copytree(SHIPPED / "protocol", folder / "protocol")
    return folder


@pytest.fixture
def staged(monkeypatch):
    """The splits of which rows were rendered, in order."""
    from datagen.build.stage import RangeWork

    found = []
    run = RangeWork.run

    def note(self):
        found.append(f"{self.stager.plan.source}/{self.stager.plan.split}")
        run(self)

    monkeypatch.setattr(RangeWork, "run", note)
    return found


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def splits_of(manifest: Manifest, source: str) -> set[str]:
    return {f"{source}/{split}" for split in manifest.splits[source]}


def test_a_source_more_and_a_source_less_make_only_the_new_one(
    raw, tmp_path, build, staged, digests, manifest_of, verify
):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    before, after = ("--sources", "vqav2,msvd_qa", *SMALL), ("--sources", "vqav2,visdial", *SMALL)
    assert build(raw, out, *before).status == 0
    inodes = {path.name: path.stat().st_ino for path in (out / "data/vqav2").iterdir()}
    staged.clear()
    outcome = build(raw, out, *after)
    assert outcome.status == 0, outcome.err
    assert set(staged) == splits_of(manifest_of(out), "visdial")
    assert "visdial/train, val, test is built: new" in outcome.err
    assert "msvd_qa/test, train, val is removed: not among the sources" in outcome.err
    assert "4 splits are reused" in outcome.err
    assert {path.name: path.stat().st_ino for path in (out / "data/vqav2").iterdir()} == inodes
    assert sorted(os.listdir(out / "data")) == ["visdial", "vqav2"]
    assert build(raw, fresh, *after).status == 0
    assert digests(out) == digests(fresh)
    verify(out, raw)
    assert "nothing to do" in build(raw, out, *after).err
    assert sorted(os.listdir(tmp_path)) == ["fresh", "out"]


def test_splits_come_and_go(raw, tmp_path, build, staged, digests):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    assert build(raw, out, *THREE, "--splits", "train").status == 0
    staged.clear()
    assert build(raw, out, *THREE, "--splits", "train,val").status == 0
    assert set(staged) == {"coco_caption/train", "coco_caption/val", "msvd_qa/val", "vqav2/val"}
    assert build(raw, fresh, *THREE, "--splits", "train,val").status == 0
    assert digests(out) == digests(fresh)
    outcome = build(raw, out, *THREE, "--splits", "val")
    assert "vqav2/train is removed: not among --splits" in outcome.err
    shutil.rmtree(fresh)
    assert build(raw, fresh, *THREE, "--splits", "val").status == 0
    assert digests(out) == digests(fresh)


def test_a_changed_template_builds_the_splits_that_it_renders(
    raw, mine, tmp_path, build, staged, digests
):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    options = (*THREE, "--template-dir", mine)
    assert build(raw, out, *options).status == 0
    staged.clear()
    edit(mine / "vqa.yaml", "{{ question }} Answer briefly.", "{{ question }} Be brief.")
    outcome = build(raw, out, *options)
    assert set(staged) == {"vqav2/train"}
    assert "vqav2/train is built again: its templates changed" in outcome.err
    assert build(raw, fresh, *options).status == 0
    assert digests(out) == digests(fresh)


def test_a_changed_protocol_builds_the_splits_that_are_evaluated(
    raw, mine, tmp_path, build, staged, digests
):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    options = (*THREE, "--template-dir", mine)
    assert build(raw, out, *options).status == 0
    staged.clear()
    edit(mine / "protocol/vqav2.yaml", "Short answer", "Brief answer")
    assert build(raw, out, *options).status == 0
    assert set(staged) == {"vqav2/val", "vqav2/test", "vqav2/test_dev"}
    assert build(raw, fresh, *options).status == 0
    assert digests(out) == digests(fresh)


def test_splits_that_share_a_file_are_built_together(raw, mine, tmp_path, build, staged, digests):
    """The rows of such a file that name no split are rejected once, with its first split."""
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    options = (*THREE, "--template-dir", mine)
    assert build(raw, out, *options).status == 0
    staged.clear()
    edit(mine / "protocol/coco_caption.yaml", "A short image caption.", "A caption.")
    outcome = build(raw, out, *options)
    assert set(staged) == {"coco_caption/train", "coco_caption/val", "coco_caption/test"}
    assert "coco_caption/train is built again: it shares its file with val" in outcome.err
    assert build(raw, fresh, *options).status == 0
    assert digests(out) == digests(fresh)


def test_a_template_of_another_task_only_renews_the_manifest(
    raw, mine, tmp_path, build, staged, digests
):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    options = (*THREE, "--template-dir", mine)
    assert build(raw, out, *options).status == 0
    staged.clear()
    edit(mine / "statement.yaml", "yes or no:", "no or yes:")
    outcome = build(raw, out, *options)
    assert (outcome.status, staged) == (0, [])
    assert "all splits are reused, the manifest is written again" in outcome.err
    assert build(raw, fresh, *options).status == 0
    assert digests(out) == digests(fresh)


def test_another_mixture_builds_what_is_weighted_otherwise(raw, tmp_path, build, staged, digests):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    mixture = tmp_path / "mixture.yaml"
    mixture.write_text("factors: {vqav2: 2.0}\n")
    assert build(raw, out, *THREE).status == 0
    staged.clear()
    outcome = build(raw, out, *THREE, "--mixture", mixture)
    assert set(staged) == {"vqav2/train"}
    assert "vqav2/train is built again: its weight in the mixture changed" in outcome.err
    assert build(raw, fresh, *THREE, "--mixture", mixture).status == 0
    assert digests(out) == digests(fresh)


def test_splits_trained_on_together_share_their_weight(raw_copy, tmp_path, build, staged, digests):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    mixture = tmp_path / "mixture.yaml"
    mixture.write_text("splits: {vqav2: [train, val]}\n")
    options = (*THREE, "--mixture", mixture)
    assert build(raw_copy, out, *options).status == 0
    staged.clear()
    questions = raw_copy / "vqav2/v2_OpenEnded_mscoco_val2014_questions.json"
    edit(questions, "What", "Which")
    outcome = build(raw_copy, out, *options)
    assert set(staged) == {"vqav2/train", "vqav2/val"}
    assert f"vqav2/val is built again: {questions.name} changed" in outcome.err
    assert build(raw_copy, fresh, *options).status == 0
    assert digests(out) == digests(fresh)


def test_a_limit_of_rejections_renews_the_manifest_alone(raw, tmp_path, build, staged, digests):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    assert build(raw, out, *THREE).status == 0
    staged.clear()
    assert build(raw, out, *THREE, "--max-reject-fraction", "0.5").status == 0
    assert staged == []
    assert build(raw, fresh, *THREE, "--max-reject-fraction", "0.5").status == 0
    assert digests(out) == digests(fresh)


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(raw, tmp_path, build, digests):
    out = tmp_path / "out"
    before, after = ("--sources", "vqav2,msvd_qa", *SMALL), ("--sources", "vqav2,visdial", *SMALL)
    new = build(raw, out, *before, "--dry-run")
    assert (new.status, os.listdir(tmp_path)) == (0, [])
    assert "0 splits reused, 7 built, 0 removed; nothing was written" in new.err
    assert build(raw, out, *before).status == 0
    held = digests(out)
    outcome = build(raw, out, *after, "--dry-run")
    lines = [line.split() for line in outcome.err.splitlines()]
    assert ["vqav2", "train", "reused"] in lines
    assert ["visdial", "train", "built", "new"] in lines
    assert ["msvd_qa", "val", "removed", "not", "among", "the", "sources"] in lines
    assert "4 splits reused, 3 built, 3 removed; nothing was written" in outcome.err
    assert digests(out) == held
    assert os.listdir(tmp_path) == ["out"]
    assert build(raw, out, *before, "--seed", "1", "--dry-run").status == 2


def test_a_source_that_grew_past_a_limit_leaves_the_dataset(raw_copy, tmp_path, build, digests):
    out = tmp_path / "out"
    assert build(raw_copy, out, "--sources", "msvd_qa").status == 0
    before = digests(out)
    shutil.rmtree(raw_copy / "images/coco/train2014")
    assert "lack their image" in build(raw_copy, out, "--sources", "msvd_qa,vqav2").message
    assert digests(out) == before


def test_an_update_that_is_killed_ends_with_the_bytes_of_a_fresh_build(
    raw, tmp_path, build, start, digests
):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    before = ("--sources", "vqav2,msvd_qa", *SMALL)
    after = ("--sources", "coco_caption,visdial,vqav2", *SMALL)
    assert build(raw, out, *before).status == 0
    held = digests(out)
    assert build(raw, fresh, *after).status == 0
    chance, killed = random.Random(0), 0
    for _ in range(4):
        process = start("build", "--raw", raw, "--out", out, *after)
        number = chance.randint(1, 60)
        while process.poll() is None and len(list(tmp_path.glob("out.staging-*/**/*"))) < number:
            try:
                process.wait(0.005)
            except subprocess.TimeoutExpired:
                continue
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        killed += 1
        assert digests(out) in (held, digests(fresh))
    assert killed
    assert build(raw, out, *after).status == 0
    assert digests(out) == digests(fresh)
    assert sorted(os.listdir(tmp_path)) == ["fresh", "out"]
