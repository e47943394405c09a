"""`visinstruct nano` makes the files and compares them with the shipped ones."""

import argparse
import shutil

import pytest

from datagen.errors import OutputError
from pipelines.cli.commands import nano
from trainer.model.starts.nano.files import FILES, RECORD, nano_folder


def parse(*arguments):
    parser = argparse.ArgumentParser()
    nano.add_arguments(parser)
    return parser.parse_args(arguments), parser


def run(folder, monkeypatch, make):
    monkeypatch.setattr("pipelines.nano.make.make_nano", make)
    parsed, parser = parse("--out", str(folder))
    return nano.run(parsed, [], parser)


def copy_shipped(out, plan, say):
    assert plan.seed == 0
    out.mkdir()
    for name in (*FILES, RECORD):
        shutil.copy(nano_folder() / name, out / name)
    return nano.hashes_of(out)


def test_files_like_the_shipped_ones_are_called_so(tmp_path, monkeypatch, capsys):
    assert run(tmp_path / "out", monkeypatch, copy_shipped) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(", ")[2] for line in lines] == ["as shipped"] * len(FILES)


def test_other_files_are_called_other_and_the_reason_is_told(tmp_path, monkeypatch, capsys):
    def other(out, plan, say):
        hashes = copy_shipped(out, plan, say)
        return {**hashes, "frozen.safetensors": "0" * 64}

    assert run(tmp_path / "out", monkeypatch, other) == 0
    output = capsys.readouterr().out
    assert output.count("as shipped") == len(FILES) - 1
    assert "frozen.safetensors: 0000000000000000, differs from the shipped one" in output
    assert "only on the same kind of processor" in output


def test_a_folder_with_files_is_refused_before_anything_is_made(tmp_path):
    (tmp_path / "mine.txt").write_text("")
    parsed, parser = parse("--out", str(tmp_path))
    with pytest.raises(OutputError, match="is not an empty folder"):
        nano.run(parsed, [], parser)
