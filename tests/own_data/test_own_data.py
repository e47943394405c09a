"""The 16 sets of own data, as users have them, each read by a source file of at most 20 lines.

What a careful reader makes of them lies beside the sets, in `../shared/own_data`, which a clone need not have.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli.main import main

SETS = Path(__file__).parents[2].parent / "shared" / "own_data"
FILES = sorted(Path(__file__).parent.glob("*.yaml"))

pytestmark = pytest.mark.skipif(not SETS.is_dir(), reason="../shared is not there")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_set_is_read_as_a_careful_reader_reads_it(file, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(SETS / file.stem / "data", data, symlinks=True)
    shutil.copy(file, data / "source.yaml")
    records, problems = tmp_path / "records.jsonl", tmp_path / "problems.json"
    written = ["--records", str(records), "--problems", str(problems)]
    status = main(["source", "check", str(data / "source.yaml"), *written])
    printed = capsys.readouterr()
    assert status in (0, 1), printed.err
    compared = subprocess.run(
        [
            sys.executable,
            str(SETS / "check.py"),
            str(SETS / file.stem),
            str(records),
            str(problems),
        ],
        capture_output=True,
        text=True,
    )
    assert compared.returncode == 0, compared.stdout + compared.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_source_file_has_at_most_20_lines(file):
    assert len(file.read_text().splitlines()) <= 20


def test_every_set_has_a_source_file():
    sets = {path.name for path in SETS.iterdir() if path.is_dir()}
    assert {file.stem for file in FILES} == sets
