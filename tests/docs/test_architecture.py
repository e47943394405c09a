"""The map of the code is what the docstrings say."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    path = ROOT / "docs/tools/make_architecture.py"
    spec = importlib.util.spec_from_file_location("make_architecture", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_map_of_the_code_is_that_of_the_docstrings(script):
    written = script.PAGE.read_text(encoding="utf-8")
    assert written == script.architecture(), (
        "run `make architecture` and commit docs/architecture.md"
    )


def test_every_package_is_on_the_map(script):
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == set(script.PACKAGES)


def test_a_module_without_a_docstring_is_named(script, tmp_path):
    for package in script.PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text('"""A package."""\n')
    (tmp_path / "datagen/silent.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"datagen/silent\.py has no docstring"):
        script.architecture(tmp_path)
