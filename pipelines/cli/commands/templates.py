"""`visinstruct templates list|lint|preview`: the templates, checked, and seen on real rows."""

import argparse
from collections.abc import Sequence

from pipelines.cli.views import template_commands

ACTIONS = ("list", "lint", "preview")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", choices=ACTIONS, help="show all, check all, or render some on rows")
    add(
        "--template-dir",
        default="instruct",
        metavar="DIR",
        help="folder of templates, or a shipped set: instruct, plain, task_dataset_prefix",
    )
    add("--source", metavar="ID", help="only templates of this source (default: all)")
    add("--template", metavar="ID", help="preview: only this template (default: all)")
    add("--raw", metavar="DIR", help="preview: rows of a raw folder (default: those of --data)")
    add("--data", metavar="OUT", help="preview: rows of a built dataset (default: those of --raw)")
    add(
        "--split", metavar="NAME", help="preview: rows of this split (default: train, or the first)"
    )
    add("--rows", type=int, default=1, metavar="N", help="preview: rows of each source")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    match parsed.action:
        case "list":
            return template_commands.list_templates(parsed.template_dir, parsed.source)
        case "lint":
            return template_commands.lint_templates(parsed.template_dir)
        case _:
            return template_commands.preview(parsed)
