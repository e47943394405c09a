"""The names of the public API: lazy, complete, typed."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import visinstruct
from visinstruct import _MODULES

PACKAGE = Path(visinstruct.__file__).parent
HEAVY = ("torch", "transformers", "deepspeed", "apache_beam", "datasets", "pyarrow", "PIL")


def modules_after(code: str) -> set[str]:
    code = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_importing_the_api_imports_nothing_heavy():
    loaded = modules_after("import visinstruct; dir(visinstruct)")
    assert "visinstruct" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert loaded.isdisjoint({"datagen", "templates", "trainer", "pipelines"})


def test_every_name_can_be_had_without_torch_and_beam():
    code = "import visinstruct\nfor name in visinstruct.__all__: getattr(visinstruct, name)"
    loaded = modules_after(code)
    assert {"visinstruct.model", "visinstruct.data"} <= loaded
    assert loaded.isdisjoint({"torch", "transformers", "deepspeed", "apache_beam"})


def test_names_modules_and_types_agree():
    (typed,) = [
        node
        for node in ast.parse((PACKAGE / "__init__.py").read_text()).body
        if isinstance(node, ast.If)
    ]
    imported = {
        alias.name: node.module
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == _MODULES
    assert visinstruct.__all__ == sorted(_MODULES)
    assert set(visinstruct.__all__) <= set(dir(visinstruct))
    assert (PACKAGE / "py.typed").is_file()


def test_every_public_name_is_documented():
    assert all(getattr(visinstruct, name).__doc__ for name in visinstruct.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'visinstruct' has no attribute 'modle'"):
        visinstruct.modle  # noqa: B018
