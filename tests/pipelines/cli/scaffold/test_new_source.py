"""The texts of a new source, for every task, in a copy of the checkout."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from datagen.errors import OptionError
from datagen.sources import SOURCE_IDS
from pipelines.cli.scaffold import new_source
from pipelines.cli.scaffold.new_source import (
    check_name,
    table_ids,
    with_line,
    write_source,
)
from pipelines.cli.scaffold.source_forms import CATEGORIES, FORMS
from templates.tasks import SOURCES, TASKS

ROOT = Path(__file__).resolve().parents[4]


def table(*ids):
    lines = "".join(f'    "{each}",\n' for each in ids)
    return f'"""Sources."""\n\nSOURCE_IDS = (\n{lines})\n\nOTHERS = ()\n'


@pytest.fixture
def checkout(tmp_path):
    """The little that a checkout is known by, with a table of three sources."""
    (tmp_path / "datagen/sources").mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / new_source.TABLE).write_text(table("coco_caption", "vqav2", "visdial"))
    return tmp_path


def test_the_three_files_are_written_and_the_line_has_the_place_of_its_name(checkout):
    paths = write_source(checkout, "gqa", "vqa", held_in=False)
    assert paths == [
        "datagen/sources/gqa.py",
        "datagen/sample/writers/gqa.py",
        "tests/datagen/sources/test_gqa.py",
        "datagen/sources/__init__.py",
    ]
    written = (checkout / new_source.TABLE).read_text()
    assert written == table("coco_caption", "vqav2", "gqa", "visdial")
    assert "held_in=False," in (checkout / "datagen/sources/gqa.py").read_text()
    for path in paths:
        compile((checkout / path).read_text(), path, "exec")


def test_the_line_stands_where_the_sources_have_the_name():
    assert with_line(table("vqav2"), "coco_caption") == table("coco_caption", "vqav2")
    assert with_line(table("vqav2"), "ivqa") == table("vqav2", "ivqa")
    assert with_line(table(), "ivqa") == table("ivqa")


def test_the_table_is_read_as_python_reads_it():
    assert table_ids((ROOT / new_source.TABLE).read_text()) == list(SOURCE_IDS)


@pytest.mark.parametrize("path", new_source.paths_of("gqa").values())
def test_nothing_is_overwritten(checkout, path):
    (checkout / path).parent.mkdir(parents=True, exist_ok=True)
    (checkout / path).write_text("mine")
    before = sorted(checkout.rglob("*"))
    with pytest.raises(OptionError, match=f"{path} is there already: nothing was written"):
        write_source(checkout, "gqa", "vqa", held_in=True)
    assert (checkout / path).read_text() == "mine"
    assert sorted(checkout.rglob("*")) == before
    assert "gqa" not in (checkout / new_source.TABLE).read_text()


@pytest.mark.parametrize("name", ["GQA", "2d", "my-source", "../x", "class", "", "a.b"])
def test_a_name_that_no_module_can_have_is_refused(checkout, name):
    with pytest.raises(OptionError, match="use lower case letters, digits and _"):
        check_name(checkout, name)


def test_a_source_that_is_in_the_table_is_refused(checkout):
    with pytest.raises(OptionError, match=r"vqav2 is a source already: see datagen/sources/vqav2"):
        check_name(checkout, "vqav2")


def test_outside_a_checkout_it_is_refused(tmp_path):
    with pytest.raises(OptionError, match="is no checkout of visinstruct"):
        check_name(tmp_path, "gqa")


def test_every_task_has_a_form_and_a_category():
    assert set(FORMS) == set(CATEGORIES) == set(TASKS)


@pytest.fixture(scope="module")
def of_all_tasks(tmp_path_factory):
    """A copy of the checkout with a new source of each task."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("templates", "datagen", "trainer", "configs", "pipelines", "visinstruct", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", copy)
    tasks_file = copy / "templates/tasks.py"
    lines = "".join(f'        "toy_{task}": "Toy",\n' for task in TASKS)
    last = f'        "{list(SOURCES)[-1]}": "{SOURCES[list(SOURCES)[-1]]}",\n'
    tasks_file.write_text(tasks_file.read_text().replace(last, last + lines))
    for task in TASKS:
        told = python(copy, "-m", "pipelines.cli", "new-source", f"toy_{task}", "--task", task)
        assert f"wrote tests/datagen/sources/test_toy_{task}.py" in told
    return copy


def python(root, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (arguments, done.stdout[-4_000:], done.stderr[-4_000:])
    return done.stdout


def test_a_new_source_of_any_task_passes_its_own_test(of_all_tasks):
    tests = sorted(str(path) for path in of_all_tasks.glob("tests/datagen/sources/test_toy_*.py"))
    assert len(tests) == len(TASKS) == 13
    assert "52 passed" in python(of_all_tasks, "-m", "pytest", "-q", *tests)


def test_what_is_written_is_formatted_and_linted(of_all_tasks):
    paths = sorted(str(path) for path in of_all_tasks.rglob("*toy_*.py"))
    assert len(paths) == 3 * len(TASKS)
    python(of_all_tasks, "-m", "ruff", "format", "--check", *paths)
    python(of_all_tasks, "-m", "ruff", "check", *paths)


@pytest.mark.slow
def test_a_new_source_of_any_task_passes_what_holds_of_every_source(of_all_tasks):
    told = python(
        of_all_tasks, "-m", "pytest", "-q", "tests/datagen/test_sources_contract.py", "-k", "toy_"
    )
    assert re.search(r"^\d{3} passed", told, re.MULTILINE)
