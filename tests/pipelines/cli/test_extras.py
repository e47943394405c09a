"""Commands in an environment of `pip install visinstruct` alone, without its extras."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli.main import EXTRAS

WITHOUT = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(EXTRAS)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from pipelines.cli.main import main

sys.exit(main(sys.argv[1:]))
"""


def without_extras(cwd: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments], cwd=cwd, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `raw` and `out`, made without the extras."""
    folder = tmp_path_factory.mktemp("bare")
    for arguments in (
        ("sample", "--scenes", "12", "--out", "raw"),
        ("build", "--raw", "raw", "--out", "out"),
    ):
        done = without_extras(folder, *arguments)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        "sources",
        "templates lint",
        "mixture out",
        "show out --rows 1",
        "configs",
        "explain out --sample 3",
        "evaluate --list",
        "metric --list",
        "train --help",
        "score --help",
    ],
)
def test_what_needs_no_model_runs_without_the_extras(folder: Path, arguments: str) -> None:
    done = without_extras(folder, *arguments.split())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "train config.yaml",
        "train config.yaml --dry-run",
        "evaluate --model nano --data out --output scores",
        "export run --out exported",
        "nano --out nano",
    ],
)
def test_a_command_without_its_extra_names_it(folder: Path, arguments: str) -> None:
    done = without_extras(folder, *arguments.split())
    command = arguments.partition(" ")[0]
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"visinstruct: {command} needs the package ")
    assert done.stderr.endswith(", which is not installed: pip install 'visinstruct[train]'\n")
