"""Images, videos and raw files that arrive, leave or change between two runs of one build."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from datagen.build.media_states import STATES_NAME
from datagen.files import LocalFiles
from pipelines.build import run as run_module
from pipelines.cli.main import main

SOURCES = ("--sources", "vqav2,msvd_qa", "--max-missing-fraction", "1")
MODES = {
    "reference": (),
    "embed": ("--images", "embed"),
    "shrunken": ("--images", "embed", "--image-max-side", "64"),
}
TRAIN = "images/coco/train2014"


def train_images(raw: Path) -> list[Path]:
    return sorted((raw / TRAIN).iterdir())


def arrive(raw: Path, away: Path) -> None:
    for path in away.iterdir():
        path.rename(raw / TRAIN / path.name)


def leave(raw: Path, away: Path) -> None:
    train_images(raw)[0].unlink()


def change(raw: Path, away: Path) -> None:
    Image.new("RGB", (20, 30), "green").save(train_images(raw)[0])


def spoil(raw: Path, away: Path) -> None:
    train_images(raw)[0].write_bytes(b"<html>")


def change_a_video(raw: Path, away: Path) -> None:
    first, second, *_ = sorted((raw / "videos/msvd").iterdir())
    first.write_bytes(second.read_bytes() + bytes(8))


def everything(raw: Path, away: Path) -> None:
    for step in (arrive, leave, change, change_a_video):
        step(raw, away)


def change_rows(raw: Path, away: Path) -> None:
    path = raw / "vqav2/v2_OpenEnded_mscoco_train2014_questions.json"
    path.write_text(path.read_text().replace("What", "Which", 1))


FINISHED = [
    ("reference", arrive),
    ("reference", leave),
    ("reference", change_a_video),
    ("embed", arrive),
    ("embed", spoil),
    ("embed", change),
    ("embed", change_rows),
    ("shrunken", everything),
]
STOPPED = [
    ("reference", arrive, 0),
    ("reference", leave, 1),
    ("reference", change_a_video, 1),
    ("embed", arrive, 1),
    ("embed", leave, 0),
    ("embed", change, 1),
    ("shrunken", everything, 2),
]


@pytest.fixture
def away(raw_copy, tmp_path):
    """A folder of images that have not arrived yet."""
    folder = tmp_path / "away"
    folder.mkdir()
    for path in train_images(raw_copy)[1::3]:
        path.rename(folder / path.name)
    return folder


def stop_writing(monkeypatch, after=0):
    """Stop the next build when `after` shards are written."""
    from datagen.build.shard_writer import ShardWriter

    write, left = ShardWriter.write, [after]

    def stop(self, *arguments):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return write(self, *arguments)

    monkeypatch.setattr(ShardWriter, "write", stop)


def name_of(value):
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize(("mode", "step"), FINISHED, ids=name_of)
def test_a_finished_build_is_updated_to_the_bytes_of_a_fresh_one(
    mode, step, raw_copy, away, tmp_path, build, digests, verify
):
    out = tmp_path / "out"
    options = (*SOURCES, *MODES[mode])
    assert build(raw_copy, out, *options).status == 0
    step(raw_copy, away)
    outcome = build(raw_copy, out, *options)
    assert outcome.status == 0, outcome.err
    assert " is built again: " in outcome.err
    assert build(raw_copy, tmp_path / "fresh", *options).status == 0
    assert digests(out) == digests(tmp_path / "fresh")
    verify(out, raw_copy)
    assert "is built already, nothing to do" in build(raw_copy, out, *options).err


@pytest.mark.parametrize(("mode", "step", "written"), STOPPED, ids=name_of)
def test_a_stopped_build_looks_again_at_what_changed(
    mode, step, written, raw_copy, away, tmp_path, build, digests, monkeypatch
):
    out = tmp_path / "out"
    options = (*SOURCES, *MODES[mode])
    stop_writing(monkeypatch, after=written)
    assert build(raw_copy, out, *options).status == 130
    monkeypatch.undo()
    step(raw_copy, away)
    outcome = build(raw_copy, out, *options)
    assert outcome.status == 0, outcome.err
    assert build(raw_copy, tmp_path / "fresh", *options).status == 0
    assert digests(out) == digests(tmp_path / "fresh")
    assert not list(tmp_path.glob("out.staging-*"))


def test_an_update_that_is_stopped_leaves_the_dataset_and_is_resumed(
    raw_copy, away, tmp_path, build, digests, monkeypatch
):
    out = tmp_path / "out"
    options = (*SOURCES, *MODES["embed"])
    assert build(raw_copy, out, *options).status == 0
    before = digests(out)
    arrive(raw_copy, away)
    stop_writing(monkeypatch, after=1)
    assert build(raw_copy, out, *options).status == 130
    monkeypatch.undo()
    assert digests(out) == before
    change_a_video(raw_copy, away)  # of a source that the stopped update had taken over
    leave(raw_copy, away)
    assert build(raw_copy, out, *options).status == 0
    assert build(raw_copy, tmp_path / "fresh", *options).status == 0
    assert digests(out) == digests(tmp_path / "fresh")
    assert not list(tmp_path.glob("out.staging-*"))


def test_only_sources_whose_inputs_changed_are_built_again(
    raw_copy, away, tmp_path, build, monkeypatch
):
    from datagen.build.stage import RangeWork

    out = tmp_path / "out"
    assert build(raw_copy, out, *SOURCES).status == 0
    arrive(raw_copy, away)
    staged = []
    run = RangeWork.run

    def note(self):
        staged.append(self.stager.plan.source)
        run(self)

    monkeypatch.setattr(RangeWork, "run", note)
    outcome = build(raw_copy, out, *SOURCES)
    assert set(staged) == {"vqav2"}
    assert "vqav2/train is built again: " in outcome.err
    assert " images or videos changed, first: coco/train2014/" in outcome.err
    assert ".jpg was missing" in outcome.err
    assert "msvd_qa/" not in outcome.err


def test_a_file_that_is_only_copied_elsewhere_with_its_time_is_the_same(raw_copy, tmp_path, build):
    out = tmp_path / "out"
    assert build(raw_copy, out, *SOURCES).status == 0
    image = train_images(raw_copy)[0]
    state = image.stat()
    image.write_bytes(image.read_bytes())
    os.utime(image, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert "nothing to do" in build(raw_copy, out, *SOURCES).err
    os.utime(image)
    outcome = build(raw_copy, out, *SOURCES)
    assert f"first: coco/train2014/{image.name} is another file" in outcome.err


def test_a_raw_file_that_left_is_refused_and_the_dataset_stays(raw_copy, tmp_path, build, digests):
    out = tmp_path / "out"
    assert build(raw_copy, out, *SOURCES).status == 0
    before = digests(out)
    (raw_copy / "msvd_qa/val_qa.json").unlink()
    message = build(raw_copy, out, *SOURCES).message
    assert "msvd_qa/val_qa.json is missing" in message
    assert digests(out) == before


def test_a_split_that_arrives_is_added(raw_copy, tmp_path, build, digests):
    out = tmp_path / "out"
    late = raw_copy / "msvd_qa/val_qa.json"
    late.rename(tmp_path / "late.json")
    assert build(raw_copy, out, *SOURCES).status == 0
    (tmp_path / "late.json").rename(late)
    outcome = build(raw_copy, out, *SOURCES)
    assert "msvd_qa/val is built: val_qa.json is new" in outcome.err
    assert build(raw_copy, tmp_path / "fresh", *SOURCES).status == 0
    assert digests(out) == digests(tmp_path / "fresh")


def test_an_update_past_a_limit_leaves_the_dataset(raw_copy, tmp_path, build, digests):
    out = tmp_path / "out"
    options = ("--sources", "vqav2")
    assert build(raw_copy, out, *options).status == 0
    before = digests(out)
    for path in train_images(raw_copy):
        path.unlink()
    assert "lack their image" in build(raw_copy, out, *options).message
    assert digests(out) == before


def test_rejections_of_sources_that_are_kept_are_the_same(
    raw_copy, away, tmp_path, build, digests, edit_json, verify
):
    def double_and_blank(document):
        rows = document["annotations" if "annotations" in document else "questions"]
        rows.append(dict(rows[0]))
        if "question" in rows[1]:
            rows[1]["question"] = " "

    for kind in ("v2_OpenEnded_mscoco_train2014_questions", "v2_mscoco_train2014_annotations"):
        edit_json(raw_copy / f"vqav2/{kind}.json", double_and_blank)
    out = tmp_path / "out"
    options = (*SOURCES, "--max-reject-fraction", "1")
    assert build(raw_copy, out, *options).status == 0
    reasons = set(verify(out, raw_copy).split("vqav2", "train").rejected)
    assert reasons >= {"duplicate_id", "empty_text", "media_missing"}
    change_a_video(raw_copy, away)
    assert "is built again: 1 images or videos changed" in build(raw_copy, out, *options).err
    assert build(raw_copy, tmp_path / "fresh", *options).status == 0
    assert digests(out) == digests(tmp_path / "fresh")
    verify(out, raw_copy)


def test_a_dataset_without_states_is_taken_as_it_is(raw_copy, tmp_path, build):
    out = tmp_path / "out"
    assert build(raw_copy, out, *SOURCES).status == 0
    (out / STATES_NAME).unlink()
    assert "nothing to do" in build(raw_copy, out, *SOURCES).err


def test_states_hold_every_media_path_of_the_dataset(raw_copy, tmp_path, records_of):
    from datagen.build.media_states import saved_states

    out = tmp_path / "out"
    assert main(["build", "--raw", str(raw_copy), "--out", str(out), *SOURCES]) == 0
    seen = {path for _, states in saved_states(str(out), LocalFiles()) for path in states}
    paths = {i.path for r in records_of(out) if r.video is None for i in r.images or ()}
    assert paths <= seen
    assert json.loads((out / "report.json").read_text())["raw"] == str(raw_copy)


def test_a_shard_that_a_stopped_build_left_does_not_stand_for_a_reused_one(
    raw, run, tmp_path, monkeypatch, digests
):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    assert run("build", "--raw", raw, "--out", out, "--sources", "vqav2").status == 0
    reuse = run_module.reuse_splits

    def leave_one(update, held, plan, place, staging, files):
        for each in held.splits["vqav2"].values():
            with files.create(f"{staging.output}/{each.shards[0].path}") as file:
                file.write(b"of a stopped build")
        reuse(update, held, plan, place, staging, files)

    monkeypatch.setattr(run_module, "reuse_splits", leave_one)
    two = ("--sources", "vqav2,msvd_qa")
    assert run("build", "--raw", raw, "--out", out, *two).status == 0
    monkeypatch.undo()
    assert run("build", "--raw", raw, "--out", fresh, *two).status == 0
    assert digests(out) == digests(fresh)
