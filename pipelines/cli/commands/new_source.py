"""`visinstruct new-source`: the first files of a source, which pass their own test."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipelines.cli.scaffold.new_source import (
    TABLE,
    check_name,
    missing_names,
    paths_of,
    write_source,
)
from templates.tasks import TASKS

ROOT = Path(__file__).resolve().parents[3]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the source's id, such as street_signs")
    parser.add_argument(
        "--task",
        choices=tuple(TASKS),
        default="vqa",
        help="kind of its examples, which decides its templates",
    )
    parser.add_argument("--held-out", action="store_true", help="for evaluation only")
    parser.add_argument("--dry-run", action="store_true", help="print the files, write nothing")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    name = parsed.name
    check_name(ROOT, name)
    missing = missing_names(name)
    if missing:
        print(
            f"{name} is not among the known sources yet. Add these lines, then run the same command again:"
        )
        print(*(f"  {line}" for line in missing), sep="\n")
        return 0 if parsed.dry_run else 2
    if parsed.dry_run:
        print(*(f"would write {path}" for path in (*paths_of(name).values(), TABLE)), sep="\n")
        return 0
    for path in write_source(ROOT, name, parsed.task, held_in=not parsed.held_out):
        print(f"wrote {path}")
    print(f"Its test passes already: python -m pytest {paths_of(name)['test']}")
    print("Next: docs/how_to/add_a_source.md")
    return 0
