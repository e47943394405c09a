"""The steps of `docs/how_to/add_a_source.md`, run as they stand there in an empty folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs/how_to/add_a_source.md").read_text(encoding="utf-8")
PROGRAMS = {
    "visinstruct": [sys.executable, "-m", "pipelines.cli"],
    "python": [sys.executable],
    "pip": [sys.executable, "-m", "pip"],
}
OFFLINE = ("--no-deps", "--no-build-isolation", "--no-index", "--target", "site")


def run(folder, command):
    program, *arguments = shlex.split(command)
    if program == "pip":  # into the folder, not into this installation, and so not editable
        arguments = ["install", *OFFLINE, arguments[-1]]
    path = os.pathsep.join([str(folder / "site"), str(ROOT)])
    done = subprocess.run(
        [*PROGRAMS[program], *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (command, done.stdout[-4_000:], done.stderr[-4_000:])
    return done.stdout


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """The output of every command."""
    folder = tmp_path_factory.mktemp("steps")
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    lines = [
        line for text in blocks if not text.startswith("# not run") for line in text.splitlines()
    ]
    return {line: run(folder, line) for line in lines}


def test_the_documents_steps_lead_to_a_source(outputs):
    assert len(outputs) == 3
    new, _, tested = outputs.values()
    assert "wrote visinstruct_street_signs/pyproject.toml" in new
    assert re.search(r"^4 passed", tested, re.MULTILINE), tested


def test_every_file_that_the_document_names_is_there():
    names = re.findall(r"`((?:datagen|templates|tests|docs|examples)/[\w/.]+)`", DOCUMENT)
    assert len(names) > 4
    written = "tests/test_visinstruct_street_signs.py"
    missing = [name for name in names if not (ROOT / name).exists() and name != written]
    assert missing == []
