"""The command line: its messages and exit statuses."""

import argparse
import errno
import importlib
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from datagen.errors import OptionError
from pipelines.cli import main as cli
from pipelines.cli.commands import show, sources
from templates.errors import Finding, TemplateSetError
from trainer.launch.arguments import ShowDefaults


@pytest.mark.parametrize("argument", ["--help", "-h"])
def test_help_names_every_command(run, argument):
    outcome = run(argument)
    assert outcome.status == 0
    for name, what in cli.COMMANDS.items():
        assert f"  {name} " in outcome.out
        assert what in outcome.out


def test_without_command_the_help_is_shown_as_an_error(run):
    outcome = run()
    assert outcome.status == 2
    assert outcome.out.startswith("usage: visinstruct COMMAND")


def test_the_version_is_that_of_the_distribution(run):
    assert run("--version").out == f"visinstruct {version('visinstruct')}\n"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(run, name):
    outcome = run(name, "--help")
    assert outcome.status == 0
    assert outcome.out.startswith(f"usage: visinstruct {name}")
    assert cli.COMMANDS[name] in " ".join(outcome.out.split())


@pytest.mark.parametrize("name", [*cli.COMMANDS, "trainer.train", "trainer.evaluate"])
def test_help_explains_every_argument_and_shows_its_default(name):
    parser = argparse.ArgumentParser(formatter_class=ShowDefaults)
    module = name if "." in name else f"pipelines.cli.commands.{name.replace('-', '_')}"
    importlib.import_module(module).add_arguments(parser)
    parsers = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            parsers += action.choices.values()
    shown = [a for each in parsers for a in each._actions if a.help != argparse.SUPPRESS]
    assert len(shown) >= 2  # --help, and one of its own at least
    formatter = parser._get_formatter()
    for action in shown:
        help_text = formatter._get_help_string(action)
        assert help_text, (name, action.dest)
        if not action.required and action.nargs != 0:
            repeated = action.default == []
            assert "repeated" in help_text if repeated else "default" in help_text, action.dest


def test_an_unknown_command_is_reported_with_the_nearest(refused):
    assert refused("biuld") == (
        "visinstruct: unknown command 'biuld', did you mean 'build'?; see visinstruct --help"
    )
    assert refused("xyz") == "visinstruct: unknown command 'xyz'; see visinstruct --help"


@pytest.mark.parametrize(
    "name",
    [n for n in cli.COMMANDS if n not in ("build", "doctor", "engines", "fetch-images", "ocr")],
)
def test_an_unknown_option_is_reported_with_the_nearest(refused, name, tmp_path):
    needed = {"templates": ["list"], "sample": ["--out", tmp_path / "raw"], "show": [tmp_path]}
    needed |= {"new-source": ["street_signs"], "explain": [tmp_path, "--sample", "0"]}
    needed |= {"train": ["run.yaml"], "export": [tmp_path, "--out", "x"], "nano": ["--out", "x"]}
    needed |= {"configs": ["copy"], "score": [tmp_path], "compare": [tmp_path, tmp_path]}
    needed |= {"evaluate": ["--model", "nano", "--data", tmp_path, "--output", "x"]}
    needed |= {"metric": ["vqa", "--cases", "x"], "source": ["draft"], "fetch": ["vsr"]}
    nearest = {"sources": "--json", "fetch": "--splits", "mixture": "--steps", "sample": "--scenes"}
    nearest |= {"new-source": "--held-out", "explain": "--texts", "train": "--dry-run"}
    nearest |= {"export": "--config", "nano": "--seed", "configs": "--out", "plan": "--scratch"}
    nearest |= {"evaluate": "--tasks", "score": "--data", "compare": "--items", "metric": "--cases"}
    option = nearest.get(name, "--rows")
    message = refused(name, *needed.get(name, []), f"{option[:-1]}=1")
    assert message == (f"visinstruct: unknown argument {option[:-1]}=1, did you mean {option!r}?")
    assert list(tmp_path.iterdir()) == []


def test_options_are_not_abbreviated(refused, tmp_path):
    assert "unknown argument --sourc" in refused("show", tmp_path, "--sourc", "vqav2")
    message = refused("build", "--raw", tmp_path, "--out", tmp_path / "out", "--source", "vqav2")
    assert "no such source file; sources of the 26 are named by --sources vqav2" in message


@pytest.mark.parametrize(
    "arguments",
    [
        ("sources", ""),
        ("sources", "--raw", ""),
        ("sample", "--out", ""),
        ("build", "--raw", "", "--out", "o"),
        ("build", "--raw", "r", "--out", "o", "--image-root", ""),
        ("mixture", ""),
        ("show", "OUT", "--split", ""),
        ("explain", "", "--sample", "0"),
        ("configs", "copy", ""),
        ("train", ""),
        ("evaluate", "--model", "", "--data", "d", "--output", "o"),
        ("score", "DIR", "--data", ""),
        ("export", "", "--out", "o"),
        ("templates", "lint", "--template-dir", ""),
    ],
)
def test_an_empty_argument_is_refused_by_name(refused, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refused(*arguments)
    assert "is empty; give a value, or leave it out" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["missing", "file", "folder"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("sources", "--raw", "X"),
        ("build", "--raw", "X", "--out", "o"),
        ("mixture", "X"),
        ("mixture", "--config", "X"),
        ("show", "X"),
        ("explain", "X", "--sample", "0"),
        ("train", "X"),
        ("score", "X"),
        ("compare", "X", "X"),
        ("metric", "vqa", "--cases", "X"),
        ("export", "X", "--out", "o"),
        ("templates", "preview", "--raw", "X"),
        ("templates", "preview", "--data", "X"),
        ("templates", "list", "--template-dir", "X"),
    ],
    ids=" ".join,
)
def test_a_place_that_holds_something_else_is_refused_in_a_sentence(
    refused, run, arguments, kind, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    if kind == "file":
        (tmp_path / "place").write_text("hello")
    if kind == "folder":
        (tmp_path / "place").mkdir()
    arguments = ["place" if argument == "X" else argument for argument in arguments]
    if kind == "folder" and arguments[0] == "sources":
        assert run(*arguments).status == 0  # an empty folder lacks everything
        return
    message = refused(*arguments)
    assert "place" in message
    assert not (tmp_path / "o").exists()


def test_missing_arguments_are_reported_by_name(refused):
    assert "the following arguments are required: --out" in refused("build")
    assert "the following arguments are required: OUT" in refused("show")
    assert "the following arguments are required: --out" in refused("sample")
    assert "invalid choice: 'lits'" in refused("templates", "lits")


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (OptionError("--rows is odd"), 2, "visinstruct: --rows is odd\n"),
        (
            TemplateSetError("mine", [Finding("vqa.yaml", "layout", "no id", "write one")]),
            2,
            "visinstruct: templates in mine cannot be used, 1 error:\n"
            "  vqa.yaml: no id; write one [layout]\n",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 2, "Permission denied: /x\n"),
        (OSError(errno.EIO, "Input/output error"), 2, "visinstruct: Input/output error\n"),
        (OSError("a driver's own words"), 2, "visinstruct: a driver's own words\n"),
        (
            KeyboardInterrupt(),
            130,
            "sources was interrupted; start the same command again to resume\n",
        ),
    ],
)
def test_errors_end_with_one_sentence_and_a_status(monkeypatch, run, error, status, sentence):
    def fail(*_):
        raise error

    monkeypatch.setattr(sources, "run", fail)
    outcome = run("sources")
    assert outcome.status == status
    assert outcome.err.endswith(sentence)
    assert outcome.out == ""


def test_bugs_of_ours_are_not_hidden(monkeypatch, run):
    def fail(*_):
        raise KeyError("x")

    monkeypatch.setattr(show, "run", fail)
    with pytest.raises(KeyError):
        run("show", "x")


# --- readers that go away, and disks that are full


def read_one_line(*arguments, cwd):
    """Start a command, read a line of its output, close the pipe; returns status and stderr."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", *map(str, arguments)],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=cwd,
    )
    os.close(writer)
    line = os.read(reader, 1)
    os.close(reader)
    return line, process.communicate(timeout=60)[1].decode(), process.returncode


@pytest.mark.parametrize(
    "arguments", [["show", "BUILT", "--rows", "1000"], ["templates", "preview", "--raw", "RAW"]]
)
def test_a_reader_that_has_seen_enough_leaves_no_traceback(arguments, built, raw, tmp_path):
    places = {"BUILT": built, "RAW": raw}
    line, err, status = read_one_line(*(places.get(a, a) for a in arguments), cwd=tmp_path)
    assert line
    assert err == ""
    assert status == 0


@pytest.mark.parametrize("arguments", [["--help"], ["sources", "--json"], ["mixture", "--json"]])
def test_a_closed_pipe_leaves_no_traceback(arguments, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        check=False,
    )
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["--help"], ["sources", "--json"], ["mixture"]])
def test_an_output_that_is_full_is_reported(arguments, tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            text=True,
            check=False,
        )
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("visinstruct: No space left on device\n")
