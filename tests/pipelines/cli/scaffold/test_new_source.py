"""The package of a new source, for every task: written, put on the path as pip does, and tested by its own test."""

import os
import subprocess
import sys
import tomllib

import pytest

from datagen.errors import OptionError
from pipelines.cli.scaffold.new_source import check_name, write_package
from pipelines.cli.scaffold.source_forms import CATEGORIES, FORMS
from templates.tasks import TASKS


def test_the_files_of_a_package_are_written(tmp_path):
    folder = tmp_path / "signs"
    paths = write_package(folder, "street_signs", "vqa", held_in=False)
    assert [path.relative_to(folder).as_posix() for path in paths] == [
        "pyproject.toml",
        "README.md",
        "visinstruct_street_signs.py",
        "tests/test_visinstruct_street_signs.py",
    ]
    assert "held_in=False," in paths[2].read_text()
    project = tomllib.loads(paths[0].read_text())["project"]
    assert project["name"] == "visinstruct-street-signs"
    assert project["entry-points"]["visinstruct.sources"] == {
        "street_signs": "visinstruct_street_signs:SOURCE"
    }


def test_an_empty_folder_is_used_and_a_full_one_is_refused(tmp_path):
    write_package(tmp_path, "street_signs", "vqa", held_in=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(OptionError, match=r"is there already: nothing was written; choose another"):
        write_package(tmp_path, "house_numbers", "vqa", held_in=True)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "signs").touch()
    with pytest.raises(OptionError, match="signs is there already"):
        write_package(tmp_path / "signs", "street_signs", "vqa", held_in=True)


@pytest.mark.parametrize("name", ["GQA", "2d", "my-source", "../x", "class", "", "a.b"])
def test_a_name_that_no_module_can_have_is_refused(name):
    with pytest.raises(OptionError, match="use lower case letters, digits and _"):
        check_name(name)


def test_a_source_of_the_table_is_refused():
    with pytest.raises(OptionError, match="vqav2 is a source already: see `visinstruct sources vq"):
        check_name("vqav2")


def test_every_task_has_a_form_and_a_category():
    assert set(FORMS) == set(CATEGORIES) == set(TASKS)


@pytest.fixture(scope="module")
def of_all_tasks(tmp_path_factory):
    """A folder with the module of a new source of each task, installed, and their tests."""
    site = tmp_path_factory.mktemp("site")
    for task in TASKS:
        write_package(site / f"of_{task}", f"toy_{task}", task, held_in=True)
        install(site / f"of_{task}", site)
    return site


def install(package, site):
    """Do what pip does with a package of one module: its text and its entry points go to `site`."""
    document = tomllib.loads((package / "pyproject.toml").read_text())
    project = document["project"]
    for module in document["tool"]["setuptools"]["py-modules"]:
        (site / f"{module}.py").write_text((package / f"{module}.py").read_text())
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    metadata = f"Name: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\n{metadata}")
    groups = project["entry-points"].items()
    lines = [
        line
        for group, entries in groups
        for line in (f"[{group}]", *map(" = ".join, entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))


def python(folder, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)]),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (arguments, done.stdout[-4_000:], done.stderr[-4_000:])
    return done.stdout


def test_a_new_source_of_any_task_passes_its_own_test(of_all_tasks):
    tests = sorted(str(path) for path in of_all_tasks.glob("of_*/tests/test_*.py"))
    assert len(tests) == len(TASKS) == 13
    assert "52 passed" in python(
        of_all_tasks, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests
    )


def test_what_is_written_is_formatted_and_linted(of_all_tasks):
    paths = sorted(str(path) for path in of_all_tasks.glob("of_*/**/*.py"))
    assert len(paths) == 2 * len(TASKS)
    wide = ("--isolated", "--line-length", "100")
    python(of_all_tasks, "-m", "ruff", "format", *wide, "--check", *paths)
    rules = ("--select", "E,F,W,B,I,RUF,SIM,UP", "--ignore", "E501")
    python(of_all_tasks, "-m", "ruff", "check", *wide, *rules, *paths)
