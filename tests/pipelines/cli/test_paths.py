"""Paths on the command line."""

import pytest

from pipelines.cli.paths import absolute, local_path


def test_urls_stay_and_local_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("s3://bucket/x") == "s3://bucket/x"
    assert absolute("x") == str(tmp_path / "x")


@pytest.mark.parametrize(
    "command",
    [
        ("export", "s3://bucket/run", "--out", "x"),
        ("export", "run", "--out", "s3://bucket/x"),
        ("score", "s3://bucket/scores"),
        ("compare", "a", "s3://bucket/b"),
        ("sample", "--out", "s3://bucket/raw"),
    ],
)
def test_commands_of_local_folders_refuse_urls(command, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run(*command)
    assert outcome.status == 2
    assert "lies in a store; this command needs a local folder" in outcome.message
    assert list(tmp_path.iterdir()) == []


def test_a_local_path_is_taken_as_it_is(tmp_path):
    assert local_path(str(tmp_path)) == tmp_path
