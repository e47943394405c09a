"""The command line. Each command is a module of its own, imported when it is called."""

import argparse
import importlib
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

COMMANDS = {
    "sources": "list the sources, or one in full, with the files found on disk",
    "source": "draft and check source files of own data",
    "new-source": "scaffold a package with a source in code",
    "templates": "list, check and preview templates",
    "sample": "write small synthetic raw data in the publishers' formats",
    "fetch": "download the publishers' files of sources",
    "fetch-images": "download the images of a list of URLs, with Beam",
    "ocr": "read the words in images, with Beam",
    "build": "build the dataset from the publishers' files, with Beam",
    "plan": "estimate time, memory, disk and requests of a build from a slice of it",
    "doctor": "check files, images, machine, packages and stores before a long job",
    "engines": "list the engines that a build can run on: installed, reachable, the command",
    "mixture": "show the sampling probability and epochs of each training source",
    "show": "print records of a built dataset",
    "explain": "show sample k of a training run",
    "configs": "list or copy the shipped training configurations",
    "train": "train the Q-Former on a built dataset, on this machine",
    "nano": "rebuild the frozen weights of the nano model",
    "evaluate": "run a model on evaluation splits, score it, fill the paper's table",
    "score": "score an evaluation's saved samples again, without the model",
    "compare": "compare two evaluations, task by task",
    "metric": "score a file of cases with one of the metrics",
    "export": "convert a run's checkpoint to a Hugging Face folder",
}

EXTRAS = {
    "deepspeed": "train",
    "safetensors": "train",
    "tokenizers": "train",
    "torch": "train",
    "transformers": "train",
    "dask": "dask",
    "distributed": "dask",
    "onnxruntime": "ocr",
    "rapidocr": "ocr",
    "pycocoevalcap": "captions",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
}
"""Packages that `pip install visinstruct` leaves out, and the extra that brings each."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0, 1 (a check failed), 2 (cannot run) or 130 (interrupted)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _leave_pipe()
        return 0
    except KeyboardInterrupt:
        name = " ".join(arguments[:1])
        option = " with --resume" if name == "evaluate" else ""
        message = f"{name} was interrupted; start the same command again{option} to resume"
        print(f"visinstruct: {message}", file=sys.stderr)
        return 130
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _fail(f"{error.strerror or error}{where}")


def _run(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"visinstruct {version('visinstruct')}")
        return 0
    if (shadow := shadowed_package()) is not None:
        return _fail(shadow)
    from datagen.errors import UserError, nearest
    from templates.errors import TemplateSetError

    name = arguments[0]
    if name not in COMMANDS:
        return _fail(f"unknown command {name!r}{nearest(name, COMMANDS)}; see visinstruct --help")
    try:
        return _run_command(name, arguments[1:])
    except (UserError, TemplateSetError) as error:
        return _fail(str(error))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        return _fail(
            f"{name} needs the package {package}, which is not installed: "
            f"pip install 'visinstruct[{EXTRAS[package]}]'"
        )


def _run_command(name: str, arguments: Sequence[str]) -> int:
    from datagen.errors import OptionError, nearest
    from trainer.launch.arguments import ShowDefaults

    command = importlib.import_module(f"pipelines.cli.commands.{name.replace('-', '_')}")
    parser = argparse.ArgumentParser(
        f"visinstruct {name}",
        description=COMMANDS[name],
        allow_abbrev=False,
        formatter_class=ShowDefaults,
    )
    command.add_arguments(parser)
    if getattr(command, "MIXES_ARGUMENTS", False):  # key=value may follow options
        parsed, rest = parser.parse_known_intermixed_args(arguments)
    else:
        parsed, rest = parser.parse_known_args(arguments)
    if rest and not getattr(command, "PASSES_OPTIONS_ON", False):
        known = [option for each in _actions(parser, parsed) for option in each.option_strings]
        raise OptionError(f"unknown argument {rest[0]}{nearest(rest[0].split('=')[0], known)}")
    for action in _actions(parser, parsed):
        if getattr(parsed, action.dest, None) in ("", [""]):
            argument = "/".join(action.option_strings) or action.metavar or action.dest
            raise OptionError(f"{argument} is empty; give a value, or leave it out")
    status: int = command.run(parsed, rest, parser)
    return status


def _actions(
    parser: argparse.ArgumentParser, parsed: argparse.Namespace
) -> Iterator[argparse.Action]:
    """Yield the options and arguments of a command, and of the one of its actions that was chosen."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            chosen = action.choices.get(getattr(parsed, action.dest, ""))
            yield from () if chosen is None else _actions(chosen, parsed)


def _leave_pipe() -> None:
    """Discard what is left of the output: its reader closed the pipe, and a flush at exit would fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _fail(message: str) -> int:
    print(f"visinstruct: {message}", file=sys.stderr)
    return 2


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join(
        [
            "usage: visinstruct COMMAND [options]",
            "",
            "commands:",
            *lines,
            "",
            "visinstruct COMMAND --help shows the options of a command",
        ]
    )


def shadowed_package() -> str | None:
    """Return an error message if another project's package hides one of ours, else None."""
    # By its path: the package `trainer` may be the hidden one.
    code = Path(__file__).resolve().parents[2] / "trainer" / "launch" / "shadow.py"
    found: str | None = runpy.run_path(str(code))["shadowed_package"]()
    return found


if __name__ == "__main__":
    sys.exit(main())
