"""The result of checking a declared source, on a terminal."""

from collections import defaultdict
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datagen.schema.example import Example
from datagen.sources.declared.check import Checker
from datagen.sources.declared.compile import use_of
from datagen.sources.declared.row import Problem
from pipelines.console import output, visible

FIRST = 5
"""Problems shown of each kind."""
MARKS = {
    "reject": ("rejected", "red"),
    "count": ("left out", "yellow"),
    "warn": ("look at", "cyan"),
}


def print_check(checker: Checker, examples: Sequence[Example], template_dir: str) -> None:
    """Print counts by split, the first problems of each reason, and some records as they are rendered."""
    console = output()
    definition = checker.definition
    title = definition.title or definition.name
    console.print(Text(f"{visible(title)} ({definition.name}, {definition.task})", "bold"))
    console.print(_counts(checker))
    _print_problems(checker.problems, console)


def _counts(checker: Checker) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("split", "use"):
        table.add_column(name)
    for name in ("read", "records", "rejected", "left out", "images"):
        table.add_column(name, justify="right")
    for split, check in checker.splits.items():
        rejected, left_out = check.rejected.total(), check.left_out.total()
        numbers = (check.records + rejected + left_out, check.records, rejected, left_out)
        cells = [f"{number:,}" for number in (*numbers, len(check.images))]
        table.add_row(split, use_of(checker.definition, split), *cells)
    return table


def _print_problems(problems: Sequence[Problem], console: Console) -> None:
    grouped: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        grouped[problem.severity, str(problem.reason)].append(problem)
    order = list(MARKS)
    for (severity, reason), found in sorted(
        grouped.items(), key=lambda each: order.index(each[0][0])
    ):
        mark, style = MARKS[severity]
        console.print(Text.assemble((f"\n{mark}: {reason}", style), f", {len(found):,}"))
        for problem in found[:FIRST]:
            console.print(Text(f"  {visible(str(problem.place))}: {visible(problem.message)}"))
        if len(found) > FIRST:
            console.print(Text(f"  and {len(found) - FIRST:,} more", "dim"))
    if not problems:
        console.print(Text("everything fits", "green"))
