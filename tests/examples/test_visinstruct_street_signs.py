"""The example of a package with a source in code: installed by pip, tested by its own tests, built by the command."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from datagen.dataset import open_dataset

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "examples/visinstruct_street_signs"


def python(site, *arguments):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=site,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (arguments, done.stdout[-4_000:], done.stderr[-4_000:])
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which pip has installed the package."""
    folder = tmp_path_factory.mktemp("installed")
    copy = shutil.copytree(PACKAGE, folder / "package")  # pip builds in the package's own folder
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    python(folder, "-m", "pip", "install", *offline, "--target", folder / "site", copy)
    return folder / "site"


def test_its_own_tests_pass(site):
    test = PACKAGE / "tests/test_visinstruct_street_signs.py"
    assert "6 passed" in python(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", test)


def test_it_is_listed_and_built(site, tmp_path):
    assert "Street signs" in python(site, "-m", "pipelines.cli", "sources", "street_signs")
    folder = tmp_path / "raw/street_signs"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "0017.png")
    (folder / "train.txt").write_text(
        "      17" + "0017.png".ljust(24) + "octagon".ljust(12) + "STOP"
    )
    places = ("--raw", tmp_path / "raw", "--out", tmp_path / "out")
    python(site, "-m", "pipelines.cli", "build", *places, "--sources", "street_signs")
    dataset = open_dataset(str(tmp_path / "out"))
    records = dataset.records("street_signs", "train")
    assert {record.target for record in records} == {"STOP", "octagon"}
    assert "code visinstruct_street_signs.py" in dataset.manifest.inputs["street_signs"]


def test_it_has_the_files_that_the_command_writes(tmp_path):
    python(tmp_path, "-m", "pipelines.cli", "new-source", "street_signs")
    new = tmp_path / "visinstruct_street_signs"
    files = {path.relative_to(new) for path in new.rglob("*") if path.is_file()}
    assert all((PACKAGE / file).is_file() for file in files)
    written = (new / "pyproject.toml").read_text().splitlines()
    mine = (PACKAGE / "pyproject.toml").read_text().splitlines()
    changed = [line for line in written if line not in mine]
    assert [line.partition(" = ")[0] for line in changed] == ["description"]
