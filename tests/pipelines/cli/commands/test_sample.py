"""`visinstruct sample`: small drawn raw data."""

import json

import pytest


def test_a_sample_is_written_and_reported_in_one_line(run, tmp_path):
    out = tmp_path / "raw"
    outcome = run("sample", "--scenes", 12, "--out", out)
    assert outcome.status == 0
    files = [path for path in out.rglob("*") if path.is_file()]
    [line] = outcome.out.splitlines()
    assert line.startswith(f"{out}: 12 scenes a collection, {len(files):,} files in ")
    assert line.endswith(" MB, written")
    assert json.loads((out / "sample.json").read_text())["num_scenes"] == 12


def test_the_same_command_again_changes_nothing(run, tmp_path):
    command = ("sample", "--scenes", 12, "--out", tmp_path / "raw")
    assert run(*command).status == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    outcome = run(*command)
    assert outcome.status == 0
    assert "already there, unchanged" in outcome.out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_another_sample_in_the_same_folder_is_refused(run, refused, tmp_path):
    out = tmp_path / "raw"
    assert run("sample", "--scenes", 12, "--out", out).status == 0
    for options, output in ((("--seed", 1), "seed=0, not 1"), (("--scenes", 13), "=12, not 13")):
        message = refused("sample", "--scenes", 12, "--out", out, *options)
        assert output in message
        assert "choose an empty folder, or delete this one" in message


def test_a_sample_that_was_changed_is_refused(run, refused, tmp_path):
    out = tmp_path / "raw"
    command = ("sample", "--scenes", 12, "--out", out)
    assert run(*command).status == 0
    (out / "msvd_qa/val_qa.json").write_text("[]")
    assert "msvd_qa/val_qa.json is another now" in refused(*command)


def test_foreign_files_and_files_in_place_of_the_folder_are_refused(refused, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    message = refused("sample", "--out", tmp_path / "mine")
    assert "holds files, but no sample.json of a complete sample" in message
    assert "is not a folder" in refused("sample", "--out", tmp_path / "mine/notes.txt")
    assert (tmp_path / "mine/notes.txt").read_text() == "mine"


@pytest.mark.parametrize("scenes", [0, -1, 11, 10**9])
def test_a_sample_has_enough_scenes_and_not_too_many(refused, tmp_path, scenes):
    message = refused("sample", "--scenes", scenes, "--out", tmp_path / "raw")
    assert f"cannot draw a sample of {scenes} scenes: choose from 12" in message
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_sample_leaves_nothing_behind(run, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("datagen.sample.writers.visdial.write", stop)
    outcome = run("sample", "--scenes", 12, "--out", tmp_path / "raw")
    assert outcome.status == 130
    assert "sample was interrupted; start the same command again" in outcome.message
    assert list(tmp_path.rglob("*")) in ([], [tmp_path / "raw"])
    monkeypatch.undo()
    assert run("sample", "--scenes", 12, "--out", tmp_path / "raw").status == 0
