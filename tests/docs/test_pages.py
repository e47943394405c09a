"""Commands and Python of the documentation, run as they stand there."""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from datagen.schema.record import SCHEMA
from pipelines.cli.main import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
FIRST = "docs/tutorials/first_run.md"
OWN_DATA = "docs/tutorials/own_data.md"
OWN_TEST = "docs/how_to/add_a_source.md"  # run by tests/test_add_a_source.py
MAKE_PUMPS = ["python", "make_pumps.py"]
NOT_RUN = "# not run here: "
WITH_A_MODEL = {"train", "export", "evaluate", "compare"}
"""Commands that take half a minute, and those that need what they make."""
_BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`(my_templates/[\w./]+)`:\n\n```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block; `reason` says why it is not run."""

    language: str
    text: str
    reason: str | None


class Page:
    """A page of the documentation, by its path in the repository."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = (ROOT / name).read_text(encoding="utf-8")

    @property
    def blocks(self) -> Iterator[Block]:
        for language, text in _BLOCK.findall(self.text):
            first = text.partition("\n")[0]
            reason = first.removeprefix(NOT_RUN) if first.startswith(NOT_RUN) else None
            yield Block(language, text, reason)

    @property
    def commands(self) -> list[list[str]]:
        """The command lines that are run, in words; those of `make` and `pip` are run by CI."""
        return [words for words in self.lines() if words[0] not in ("make", "pip")]

    def lines(self, run: bool = True) -> list[list[str]]:
        """The command lines, in words; with `run`, of blocks that are run."""
        lines = [
            line
            for block in self.blocks
            if block.language == "sh" and not (run and block.reason)
            for line in block.text.replace("\\\n", "").splitlines()
        ]
        return [words for line in lines if (words := shlex.split(line, comments=True))]

    @property
    def python(self) -> str:
        """All Python blocks that are run, one after the other."""
        return "\n".join(
            block.text
            for block in self.blocks
            if block.language == "python" and block.reason is None
        )

    def write_files(self, folder: Path) -> None:
        """Write the files that the page shows."""
        for name, text in _FILE.findall(self.text):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")

    def run(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, commands: Collection[str] = COMMANDS
    ) -> None:
        """Run the page's lines of these `commands` in `folder`, in their order; then its Python, after all."""
        self.write_files(folder)
        monkeypatch.chdir(folder)
        for program, *arguments in self.commands:
            if [program, *arguments] == MAKE_PUMPS:  # its Python, which has been run
                continue
            if program == "visinstruct" and arguments[0] not in commands:
                continue
            if program == "cp":  # of a checkout
                shutil.copytree(ROOT / arguments[1], folder / arguments[2])
                continue
            assert program == "visinstruct", f"{self.name}: {program} is not run by this test"
            status, said = _run(arguments)
            assert status == 0, (self.name, arguments, said[-3_000:])
        if self.python and commands == COMMANDS and self.name != OWN_DATA:
            self._run_python(folder)

    def _run_python(self, folder: Path) -> None:
        offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", self.python],
            cwd=folder,
            env={**os.environ, **offline},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (self.name, done.stderr[-3_000:])


def _run(arguments: list[str]) -> tuple[int, str]:
    """The status and the output of a command; training has a process of its own, as torch's groups stay."""
    if arguments[0] == "train":
        command = [sys.executable, "-m", "pipelines.cli", *arguments]
        paths = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env={**os.environ, **paths}, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        return main(arguments), said.getvalue()


PAGES = [
    "README.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
]


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the first tutorial has been run: to be copied, not changed."""
    folder = tmp_path_factory.mktemp("first_run")
    with pytest.MonkeyPatch.context() as monkeypatch:
        Page(FIRST).run(folder, monkeypatch)
    return folder


@pytest.fixture
def after_first_run(first_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first_run, tmp_path / "folder"))


def test_every_block_says_what_it_is_or_why_it_is_not_run():
    known = {"sh", "python", "yaml", "text", "diff", "dockerfile"}
    blocks = [(name, block) for name in PAGES for block in Page(name).blocks]
    assert len(blocks) > 40
    assert {block.language for _, block in blocks} <= known
    program = re.compile(r"^(visinstruct|deepspeed|torchrun|srun|python|make|pip)\b", re.MULTILINE)
    for name, block in blocks:
        assert block.reason != "", name
        if block.language in ("text", "yaml"):
            assert not program.search(block.text), (name, block.text)


def test_the_readme_builds_in_an_empty_folder(tmp_path, monkeypatch):
    assert {line[1] for line in Page("README.md").commands} >= WITH_A_MODEL
    Page("README.md").run(tmp_path, monkeypatch, COMMANDS.keys() - WITH_A_MODEL)
    assert (tmp_path / "data/instruct/manifest.json").is_file()
    assert (tmp_path / "data/plain/manifest.json").is_file()
    assert (tmp_path / "configs/nano_cpu.yaml").is_file()


@pytest.mark.slow
def test_all_of_the_readme_runs_in_an_empty_folder(tmp_path, monkeypatch):
    Page("README.md").run(tmp_path, monkeypatch)
    assert (tmp_path / "data/instruct/manifest.json").is_file()
    assert (tmp_path / "exported/model.safetensors").is_file()
    assert (tmp_path / "scores/results.json").is_file()


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the table and photos that the page on own data draws."""
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-c", Page(OWN_DATA).python], check=True)
    return tmp_path


def test_own_data_is_drafted_checked_and_built_in_an_empty_folder(own_data, monkeypatch):
    page = Page(OWN_DATA)
    page.run(own_data, monkeypatch, COMMANDS.keys() - WITH_A_MODEL)
    assert (own_data / "data/pumps/manifest.json").is_file()
    (draft,) = (block.text for block in page.blocks if block.language == "yaml")
    assert (own_data / "pumps.yaml").read_text() == draft
    assert (own_data / "pumps.csv").read_text().splitlines()[1] in page.text


@pytest.mark.slow
def test_a_model_is_tuned_on_own_data_in_an_empty_folder(own_data, monkeypatch):
    Page(OWN_DATA).run(own_data, monkeypatch)
    for name, low, high in (("before", 0, 30), ("after", 90, 100)):
        task = json.loads((own_data / name / "results.json").read_text())["tasks"]["pumps"]
        assert low <= task["values"]["accuracy"]["value"] <= high


RUN_AFTER_FIRST = [name for name in PAGES if name not in ("README.md", FIRST, OWN_DATA, OWN_TEST)]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in RUN_AFTER_FIRST if Page(n).commands or Page(n).python])
def test_a_page_runs_after_the_first_tutorial(name, after_first_run, monkeypatch):
    Page(name).run(after_first_run, monkeypatch)


def test_the_pages_name_every_command():
    shown = {
        words[1]
        for name in PAGES
        for words in Page(name).lines(run=False)
        if words[0] == "visinstruct"
    }
    assert shown == set(COMMANDS)


def test_the_options_of_the_page_are_those_of_the_build(capsys):
    with pytest.raises(SystemExit):
        main(["build", "--help"])
    shown = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    text = Page("docs/how_to/build.md").text
    (table,) = re.findall(r"\| option \| \|\n\|---\|---\|\n(.*?)\n\n", text, re.DOTALL)
    documented = set(re.findall(r"--[a-z][a-z-]+", table))
    assert documented | {"--help", "--raw", "--out", "--runner", "--flink"} >= shown
    assert documented <= shown


def test_the_dataset_page_names_every_column():
    section = Page("docs/reference/dataset.md").text.partition("## Columns")[2].partition("## ")[0]
    first_cells = "".join(re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE))
    assert sorted(re.findall(r"`(\w+)`", first_cells)) == sorted(SCHEMA.names)


def test_every_file_and_page_that_is_named_exists():
    link, code = r"\]\(([^)#:]+)(?:#[^)]*)?\)", r"`((?:docs|tests)/[\w./]+\.\w+)`"
    for name in [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md"]:
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in re.findall(link, text):
            assert ((ROOT / name).parent / target).exists(), (name, target)
        for target in re.findall(code, text):
            if name != OWN_TEST:
                assert (ROOT / target).exists(), (name, target)


def test_the_readme_fits_on_two_screens():
    assert len(Page("README.md").text.splitlines()) < 150
