import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli.main import COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def usage_commands() -> list[list[str]]:
    (block,) = re.findall(r"## Use\n\n```\n(.*?)```", README, re.DOTALL)
    lines = [line.partition("  #")[0] for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("visinstruct ")]


def test_the_commands_of_the_readme_run_in_an_empty_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    commands = usage_commands()
    assert {command[0] for command in commands} == set(COMMANDS)
    for command in commands:
        if command[0] != "nano":  # takes minutes; its stages are tested in tests/pipelines/nano
            assert main(command) == 0, (command, capsys.readouterr().err)
    assert (tmp_path / "data/instruct/manifest.json").is_file()
    assert (tmp_path / "exported/model.safetensors").is_file()


def test_the_options_of_the_readme_are_those_of_the_build(capsys):
    with pytest.raises(SystemExit):
        main(["build", "--help"])
    told = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    (table,) = re.findall(r"\| option \| \|\n\|---\|---\|\n(.*?)\n\n", README, re.DOTALL)
    documented = set(re.findall(r"--[a-z][a-z-]+", table))
    assert documented | {"--help", "--raw", "--out", "--runner", "--flink"} >= told
    assert documented <= told


def test_every_document_that_is_named_exists():
    for path in ROOT.glob("**/*.md"):
        if ".venv" not in path.parts and "data" not in path.parts:
            for name in re.findall(r"`((?:docs/)?[A-Za-z_]+\.md)`", path.read_text()):
                assert any((folder / name).is_file() for folder in (ROOT, ROOT / "docs")), name


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with `data/instruct`, as the README's commands make it."""
    folder = tmp_path_factory.mktemp("built")
    sample, out = str(folder / "raw"), str(folder / "data/instruct")
    assert main(["sample", "--scenes", "12", "--out", sample]) == 0
    assert main(["build", "--raw", sample, "--out", out, "--images", "embed"]) == 0
    return folder


def python_of(document: str) -> str:
    """All Python blocks of a document, one after the other, with its placeholder folder filled in."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    assert blocks
    return re.sub(r"\bOUT\b", "data/instruct", "\n".join(blocks))


@pytest.mark.parametrize("document", ["README.md", "docs/data_flow.md"])
def test_the_python_of_the_documents_runs(built, tmp_path, document):
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", python_of(document)],
        cwd=built,
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
