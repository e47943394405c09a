"""`visinstruct configs`: the shipped training configurations, listed, shown or copied."""

import argparse
from collections.abc import Sequence

from datagen.errors import OptionError
from pipelines.cli.paths import local_path
from pipelines.console import output
from trainer.config.shipped import copy_configs, purpose, shipped_configs

MIXES_ARGUMENTS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", nargs="?", choices=("list", "copy"), default="list", help="(default: list)")
    add("names", nargs="*", metavar="NAME", help="copy: such as flan_t5_xl (default: all)")
    add(
        "--out",
        type=local_path,
        default="configs",
        metavar="DIR",
        help="copy: the folder to write to",
    )


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    if parsed.action == "copy":
        for path in copy_configs(parsed.out, parsed.names):
            print(path)
        return 0
    if parsed.names:
        raise OptionError(
            f"list shows all configurations; copy takes names, such as {parsed.names[0]}"
        )
    console = output()
    configs = shipped_configs()
    width = max(map(len, configs))
    for name, path in configs.items():
        console.print(f"{name:<{width}}  {purpose(path)}", markup=False, highlight=False)
    return 0
