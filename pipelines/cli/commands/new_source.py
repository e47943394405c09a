"""`visinstruct new-source`: a package with a source in code, which passes its own test."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipelines.cli.scaffold.new_source import (
    check_folder,
    check_name,
    package_name,
    texts_of,
    write_package,
)
from templates.tasks import TASKS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the source's id, such as street_signs")
    parser.add_argument(
        "--out", metavar="DIR", help="folder of the package (default: visinstruct_NAME)"
    )
    parser.add_argument(
        "--task",
        choices=tuple(TASKS),
        default="vqa",
        help="kind of its examples, which decides its templates",
    )
    parser.add_argument("--held-out", action="store_true", help="for evaluation only")
    parser.add_argument("--dry-run", action="store_true", help="print the files, write nothing")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    name, held_in = parsed.name, not parsed.held_out
    check_name(name)
    folder = Path(parsed.out or package_name(name))
    check_folder(folder)
    if parsed.dry_run:
        for file in texts_of(name, parsed.task, held_in=held_in):
            print(f"would write {folder / file}")
        return 0
    for path in write_package(folder, name, parsed.task, held_in=held_in):
        print(f"wrote {path}")
    print(f"Its test passes already: cd {folder} && pip install -e . && python -m pytest")
    print("Next: docs/how_to/add_a_source.md")
    return 0
