"""The import contracts catch what they forbid: a violation of each is planted into a copy, and seen.

The kinds of import: at the top or inside a function, absolute or relative, of a package or of a module in it.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["id"]: contract["name"] for contract in PROJECT["contracts"]}


class Planted(NamedTuple):
    """A line that is appended to a module, and the module whose import it is."""

    contract: str
    module: str
    line: str
    imported: str
    in_function: bool = False


PLANTED = [
    Planted("packages", "templates.lint", "from datagen import text", "datagen.text"),
    Planted("packages", "datagen.text", "import pipelines.console", "pipelines.console", True),
    Planted("siblings", "templates.errors", "from . import library", "templates.library"),
    Planted("datagen", "datagen.errors", "from .sources import vqav2", "datagen.sources.vqav2"),
    Planted("trainer", "trainer.errors", "from .run import loop", "trainer.run.loop", True),
    Planted("data", "trainer.data.order.sample", "from .. import stream", "trainer.data.stream"),
    Planted(
        "evaluation",
        "trainer.evaluation.metrics.base",
        "import trainer.evaluation.report.report",
        "trainer.evaluation.report.report",
    ),
    Planted("pipelines", "pipelines.console", "from .cli import main", "pipelines.cli.main"),
    Planted(
        "cli",
        "pipelines.cli.views.tables",
        "from ..commands import show",
        "pipelines.cli.commands.show",
        True,
    ),
    Planted("beam", "pipelines.cli.main", "import apache_beam.io.filesystems", "apache_beam"),
    Planted("deepspeed", "trainer.run.loop", "from deepspeed.ops import adam", "deepspeed", True),
    Planted("light", "datagen.render", "import torch.nn", "torch"),
    Planted(
        "records",
        "trainer.launch.stop",
        "from datagen.sources import vqav2",
        "datagen.sources.vqav2",
    ),
    Planted(
        "scoring",
        "trainer.evaluation.tasks.paper",
        "from trainer.model import batch",
        "trainer.model.batch",
    ),
]


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """The report of each broken contract, by name, on a copy with all violations."""
    folder = tmp_path_factory.mktemp("planted")
    for name in PROJECT["root_packages"]:
        skipped = shutil.ignore_patterns("__pycache__", "*.safetensors")
        shutil.copytree(ROOT / name, folder / name, ignore=skipped)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for planted in PLANTED:
        path = folder.joinpath(*planted.module.split(".")).with_suffix(".py")
        line = f"def planted():\n    {planted.line}" if planted.in_function else planted.line
        with path.open("a") as file:
            file.write(f"\n\n{line}\n")
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    _, _, report = done.stdout.partition("Broken contracts")
    parts = re.split(r"^(.+)\n-+\n", report, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_contract_has_a_violation():
    assert {planted.contract for planted in PLANTED} == set(CONTRACTS)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda each: f"{each.contract}: {each.line}")
def test_a_planted_import_breaks_its_contract(broken, planted):
    report = broken[CONTRACTS[planted.contract]]
    if planted.contract == "siblings":  # its report names packages, and modules within them
        package, _, module = planted.module.rpartition(".")
        expected = rf"in {package}\.\n[^\n]*\n\n- \.{module} -> "
    else:
        expected = rf"\b{planted.module} -> {planted.imported} \(l\.\d+\)"
    assert re.search(expected, report), report
