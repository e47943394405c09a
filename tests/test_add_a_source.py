"""The steps of `docs/how_to/add_a_source.md`, run as they stand there in a copy of the checkout."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs/how_to/add_a_source.md").read_text(encoding="utf-8")
PACKAGES = ("templates", "datagen", "trainer", "configs", "pipelines", "visinstruct", "tests")
PROGRAMS = {
    "visinstruct": [sys.executable, "-m", "pipelines.cli"],
    "python": [sys.executable],
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what the steps need."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def apply(root, diff):
    """One edit: the context and `-` lines become the context and `+` lines."""
    first, *lines = diff.splitlines()
    path = root / first.removeprefix("--- ")
    before = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
    after = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{path.name} no longer has the lines that the document shows"
    path.write_text(text.replace(before, after), encoding="utf-8")


def run(root, command):
    program, *arguments = shlex.split(command)
    done = subprocess.run(
        [*PROGRAMS[program], *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (command, done.stdout[-4_000:], done.stderr[-4_000:])
    return done.stdout


def test_the_documents_steps_lead_to_a_source(checkout):
    outputs = {}
    steps = re.findall(r"```(diff|sh)\n(.*?)```", DOCUMENT, re.DOTALL)
    for kind, text in steps:
        if kind == "diff":
            apply(checkout, text)
        else:
            outputs |= {command: run(checkout, command) for command in text.splitlines()}
    assert len(steps) > 5
    assert "wrote datagen/sources/street_signs.py" in outputs["visinstruct new-source street_signs"]
    tested = [out for command, out in outputs.items() if "pytest" in command]
    assert len(tested) == 2
    assert all(re.search(r"^[1-9]\d* passed", out, re.MULTILINE) for out in tested), tested
    assert (checkout / "data/instruct/manifest.json").is_file()


def test_every_file_that_the_document_names_is_there():
    names = re.findall(r"`((?:datagen|templates|tests|docs)/[\w/.]+\.\w+)`", DOCUMENT)
    assert len(names) > 8
    missing = [name for name in names if not (ROOT / name).is_file() and "street" not in name]
    assert missing == []
