"""Folders and packages of other projects that are called like ours."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from trainer.launch.shadow import HOME, PACKAGES, children_find_ours, shadowed_package

SCRIPT = "import sys; from pipelines.cli.main import main; sys.exit(main())"
"""As the installed `visinstruct`, which does not look in the working folder."""


@pytest.fixture
def work(tmp_path):
    """An empty working folder."""
    (tmp_path / "work").mkdir()
    (tmp_path / "program.py").write_text(SCRIPT)
    return tmp_path / "work"


def package(folder: Path) -> Path:
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('the foreign package was run')")
    return folder


def python(work: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment | {"PYTHONPATH": str(HOME)},
        cwd=work,
        capture_output=True,
        text=True,
    )


EVALUATE = ("trainer.evaluate", "--model", "nano", "--data", "x", "--output", "y")


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (("trainer.train", "run.yaml"), ("datagen", "templates", "configs")),
        (EVALUATE, ("datagen", "templates")),
        (("pipelines.build", "--raw", "x", "--out", "y"), ("trainer", "datagen", "visinstruct")),
        (("pipelines.cli", "sources"), ("trainer", "templates")),
    ],
    ids=lambda value: value[0],
)
def test_a_folder_that_hides_ours_is_named_with_the_remedy(work, module, names):
    for name in names:
        folder = package(work / name)
        done = python(work, "-m", *module)
        assert done.returncode == 2, done.stderr
        assert done.stderr == (
            f"visinstruct: the package {name!r} is found at {folder}, which hides ours in {HOME}: rename it, "
            "start from another one, or set PYTHONSAFEPATH=1, so that Python does not look in the working "
            "folder\n"
        )
        (folder / "__init__.py").unlink()
        folder.rmdir()


def test_a_package_elsewhere_on_the_path_is_named_with_another_remedy(work):
    site = work.parent / "site"
    site.mkdir()
    folder = package(site / "datagen")
    code = f"import sys; sys.path.insert(0, {str(site)!r}); {SCRIPT}"
    done = python(work, "-c", code, "sources")
    assert done.returncode == 2
    assert f"the package 'datagen' is found at {folder}, which hides ours" in done.stderr
    assert "uninstall the project that it belongs to" in done.stderr


FINDER = f"""
import sys
from importlib.machinery import PathFinder

class Finder:  # as setuptools installs a project in place: asked after all folders of the path
    def find_spec(self, name, path=None, target=None):
        return PathFinder.find_spec(name, [{str(HOME)!r}]) if path is None and name in {PACKAGES} else None

sys.path[:] = ["", *(place for place in sys.path if place not in ("", {str(HOME)!r}))]
sys.meta_path.append(Finder())
{SCRIPT}
"""


@pytest.mark.parametrize("name", ["trainer", "templates"])
def test_a_plain_folder_without_init_is_named_where_it_hides_ours(work, name):
    (work / name).mkdir()
    done = python(work, "-c", FINDER, "sources")
    assert done.returncode == 2, done.stderr
    assert f"the package {name!r} is found at {work / name}, which hides ours" in done.stderr


def test_a_plain_folder_without_init_may_stay_where_it_hides_nothing(work):
    (work / "trainer").mkdir()
    done = python(work, "-m", "pipelines.cli", "sources")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow  # five processes import torch
def test_a_run_of_two_processes_does_not_look_in_the_working_folder(work):
    package(work / "trainer")
    package(work / "datagen")
    program = str(work.parent / "program.py")
    done = python(work, program, "train", "no.yaml", "--processes", "2")
    assert done.returncode == 2, done.stderr
    assert "no such configuration file: no.yaml" in done.stderr
    assert "foreign" not in done.stderr
    assert "Traceback" not in done.stderr


def test_children_find_ours_from_a_checkout_that_is_not_installed(work, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "before")
    with children_find_ours():
        assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(HOME), "before"]
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ["PYTHONPATH"] == "before"
    assert "PYTHONSAFEPATH" not in os.environ


def test_our_own_packages_are_not_hidden():
    assert shadowed_package() is None


def test_an_imported_package_of_another_project_is_named(monkeypatch, tmp_path):
    foreign = ModuleType("templates")
    foreign.__file__, foreign.__path__ = None, [str(tmp_path)]
    monkeypatch.setitem(sys.modules, "templates", foreign)
    assert f"is found at {tmp_path}, which hides ours" in shadowed_package()


def test_all_packages_of_the_distribution_are_looked_at():
    project = tomllib.loads((HOME / "pyproject.toml").read_text())
    found = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert sorted(PACKAGES) == sorted(name.rstrip("*") for name in found)
