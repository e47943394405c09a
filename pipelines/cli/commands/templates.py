"""`visinstruct templates list|lint|preview|import`: templates, checked, seen on rows, or imported."""

import argparse
from collections.abc import Sequence

from pipelines.cli.views import template_commands
from templates.tasks import TASKS

ACTIONS = ("list", "lint", "preview", "import")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", choices=ACTIONS, help="show all, check all, render some on rows, or import")
    add(
        "file",
        nargs="?",
        metavar="FILE",
        help="import: plain list of prompts, one a line (no default)",
    )
    add(
        "--template-dir",
        default="instruct",
        metavar="DIR",
        help="folder of templates, or a shipped set: instruct, plain, task_dataset_prefix",
    )
    add(
        "--source",
        metavar="ID|FILE.yaml",
        help="only templates of this source; of a source file, preview and lint show its rows (default: all)",
    )
    add(
        "--template",
        metavar="ID",
        help="preview: only this template (default: all that fit, or the protocol)",
    )
    add("--raw", metavar="DIR", help="preview, lint: rows of a raw folder (default: none)")
    add("--data", metavar="OUT", help="preview, lint: rows of a built dataset (default: none)")
    add(
        "--split", metavar="NAME", help="preview: rows of this split (default: train, or the first)"
    )
    add("--rows", type=int, metavar="N", help="rows of each source (default: preview 1, lint 100)")
    add("--task", choices=tuple(TASKS), help="import: task of the prompts (no default)")
    add("--sources", metavar="ID,ID", help=argparse.SUPPRESS)  # deprecated: the task decides
    add(
        "--out",
        metavar="FILE.yaml",
        help="import: template file to write; must not exist (no default)",
    )


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    match parsed.action:
        case "list":
            return template_commands.list_templates(parsed.template_dir, parsed.source)
        case "lint":
            return template_commands.lint_templates(parsed)
        case "import":
            return template_commands.import_templates(parsed)
        case _:
            return template_commands.preview(parsed)
