"""`visinstruct doctor`: checks of files, images, machine, packages and stores before a long job."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from datagen.build.options import BuildOptions, parse_size
from datagen.errors import OptionError
from pipelines.cli.commands.build import add_options, quiet_engines, read_options
from pipelines.cli.paths import absolute

PASSES_OPTIONS_ON = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Takes the options of `visinstruct build`, those of Beam too: put `doctor` in the place of `build`. Nothing is "
        "written but temporary files. Exit status 1 if there is a problem; warnings do not count."
    )
    add = parser.add_argument
    add("--out", metavar="DIR", help="output of the build (default: not checked)")
    add_options(parser)
    add("--config", metavar="FILE", help="a training configuration (default: none)")
    add(
        "--dataset",
        metavar="DIR",
        help="a built dataset to train on or to evaluate with (default: that of --config)",
    )
    add(
        "--check-images",
        default="300",
        metavar="N",
        help="look at the images of N rows of each split, or of all",
    )
    add(
        "--max-read",
        default="8GB",
        metavar="SIZE",
        help="neither count nor estimate if files of rows are larger together",
    )
    add("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    quiet_engines()
    from pipelines.cli.views.findings import print_findings
    from pipelines.console import messages
    from pipelines.doctor.examine import Job, examine

    console = messages()
    job = Job(
        build=_build(parsed),
        out=None if parsed.out is None else absolute(parsed.out),
        config=parsed.config,
        dataset=None if parsed.dataset is None else absolute(parsed.dataset),
        num_images=_number(parsed.check_images),
        max_read=_size("--max-read", parsed.max_read),
        engine=_engine(rest, parser) if rest else None,
    )
    findings = examine(job, lambda line: console.print(line, highlight=False, markup=False))
    problems = sum(each.status == "problem" for each in findings)
    if parsed.json:
        print(json.dumps({"problems": problems, "findings": list(map(asdict, findings))}, indent=1))
    else:
        print_findings(findings)
    return int(problems > 0)


def _build(parsed: argparse.Namespace) -> BuildOptions | None:
    """Return the options of the build that is planned, None if none is."""
    if parsed.raw is None and not parsed.source and not parsed.sources:
        if parsed.out is not None:
            raise OptionError("--out is the output of a build: give --raw DIR or --source FILE too")
        return None
    return read_options(parsed, out=parsed.out or "planned")


def _engine(rest: Sequence[str], parser: argparse.ArgumentParser) -> Any:
    """Return the options of Beam.

    Raises:
        OptionError: one is neither Beam's nor ours.
    """
    from pipelines.build.beam_options import beam_options

    own = [option for action in parser._actions for option in action.option_strings]
    return beam_options(rest, own)


def _number(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise OptionError(f"--check-images {text}: give a number from 1, or all")
    return int(text)


def _size(option: str, text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise OptionError(f"{option}: {error}") from None
