"""The table of engines."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from pipelines.cli.views.tables import plain_table
from pipelines.console import output

if TYPE_CHECKING:
    from pipelines.build.engines import Engine

_REACHABLE = {True: "yes", False: "no", None: "-"}


def print_engines(engines: Sequence["Engine"], console: Console | None = None) -> None:
    """Print a line for each engine, then its command and what is missing."""
    console = console or output()
    table = plain_table("engine", "installed", "reachable", "tested")
    for each in engines:
        installed = each.installed or "no"
        tested = "same bytes" if each.is_tested else "not run"
        table.add_row(each.name, Text(installed), _REACHABLE[each.reachable], tested)
    console.print(table)
    for each in engines:
        console.print(Text(f"\n{each.name}: {each.command}"))
        if each.problem:
            console.print(Text(f"  {each.problem}"))


def as_json(engines: Sequence["Engine"]) -> list[dict[str, Any]]:
    """Return the engines as JSON values."""
    return [{**asdict(each), "is_usable": each.is_usable} for each in engines]
