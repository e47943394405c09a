"""The acceptance sets of own data: each passes with a source file of at most 20 lines."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipelines.cli.main import main

HERE = Path(__file__).parent
SETS = HERE.parents[2] / "shared/own_data"
FILES = sorted(HERE.glob("*.yaml"))
MAX_LINES = 20


@pytest.mark.skipif(not SETS.is_dir(), reason="needs ../shared")
def test_every_set_has_a_source_file() -> None:
    assert [file.stem for file in FILES] == sorted(p.name for p in SETS.iterdir() if p.is_dir())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_source_file_is_short(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert len(lines) <= MAX_LINES
    assert all(yaml.safe_load_all("\n".join(lines)))


@pytest.mark.skipif(not SETS.is_dir(), reason="needs ../shared")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_set_gives_the_records_and_problems_of_a_careful_reader(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = SETS / file.stem
    data = tmp_path / "data"
    shutil.copytree(case / "data", data, symlinks=True)
    source = shutil.copy(file, data / "source.yaml")
    records, problems = tmp_path / "records.jsonl", tmp_path / "problems.json"
    status = main(
        ["source", "check", str(source), "--records", str(records), "--problems", str(problems)]
    )
    assert status == 1  # every set has rows that are rejected
    shown = capsys.readouterr().out
    assert json.loads(problems.read_text())
    compared = subprocess.run(
        [sys.executable, SETS / "check.py", case, records, problems],
        capture_output=True,
        text=True,
    )
    assert compared.returncode == 0, compared.stdout + compared.stderr + shown
