"""Imports of a command before it does anything: asserted on modules, never on time."""

import json
import subprocess
import sys

import pytest

HEAVY = ("apache_beam", "pydantic", "pyarrow", "numpy", "rich", "yaml", "jinja2", "msgspec", "PIL")
ENGINES = ("apache_beam", "datasets", "torch", "transformers", "deepspeed", "pandas")
LOADED = """
import json, sys
from pipelines.cli.main import main
try:
    status = main(sys.argv[1:])
except SystemExit as stop:
    status = stop.code or 0
print("\\n" + json.dumps([status, sorted(sys.modules)]))
"""


def modules_of(*arguments, cwd):
    command = [sys.executable, "-c", LOADED, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=True)
    status, modules = json.loads(done.stdout.splitlines()[-1])
    return status, set(modules)


@pytest.mark.parametrize(
    ("arguments", "expected"), [(["--help"], 0), (["--version"], 0), ([], 2), (["biuld"], 2)]
)
def test_help_and_version_load_nothing_heavy(arguments, expected, tmp_path):
    status, modules = modules_of(*arguments, cwd=tmp_path)
    assert status == expected
    assert "pipelines.cli" in modules
    assert [name for name in (*HEAVY, *ENGINES) if name in modules] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "--help"],
        ["sources"],
        ["sources", "vqav2", "--json"],
        ["mixture"],
        ["templates", "list"],
        ["templates", "lint"],
        ["sample", "--help"],
        ["fetch", "vsr", "--dry-run"],
        ["show", "--help"],
    ],
)
def test_commands_load_no_engine_that_they_do_not_use(arguments, tmp_path):
    status, modules = modules_of(*arguments, cwd=tmp_path)
    assert status == 0
    assert [name for name in ENGINES if name in modules] == []


def test_showing_records_loads_no_engine(built, tmp_path):
    status, modules = modules_of("show", built, "--source", "vqav2", cwd=tmp_path)
    assert status == 0
    assert [name for name in ENGINES if name in modules] == []
