"""`visinstruct compare`: the difference between two evaluations, task by task, and what changed."""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import to_builtins
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from datagen.errors import OptionError
from pipelines.cli.paths import local_path
from pipelines.console import output, visible
from trainer.evaluation.scoring.compare import Comparison, Number, TaskComparison, compare

COLUMNS = ("task", "measure", ">records", ">A", ">B", ">B-A", ">±", ">better", ">worse", ">changed")
CLEAR = 2
"""Differences of more standard errors than this are bold; for a mean rank, less is better."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Exit status: 0, also where numbers differ; 1 where a task that both have cannot be compared, the "
        "others are; 2 where a folder holds no results, or they have no task in common."
    )
    add = parser.add_argument
    add("first", type=local_path, metavar="A", help="the output folder of an evaluation")
    add("second", type=local_path, metavar="B", help="that of the one to compare with it")
    add(
        "--items",
        type=int,
        default=3,
        metavar="N",
        help="of each task show so many records that changed, those first that changed most",
    )
    add(
        "--pair",
        action="append",
        default=[],
        metavar="a=b",
        help="compare task a of A with task b of B, such as gqa=gqa.exact; may be repeated",
    )
    add("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    if parsed.items < 0:
        raise OptionError("--items is 0 or more")
    found = compare(parsed.first, parsed.second, num_items=parsed.items, pairs=_pairs(parsed.pair))
    if parsed.json:
        print(json.dumps(_facts(found), ensure_ascii=False))
    else:
        _print(found, parsed.first, parsed.second, output())
    return 1 if found.refused else 0


def _pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        first, equals, second = text.partition("=")
        if not (first and equals and second):
            raise OptionError(f"--pair {text!r} is not a=b, such as gqa=gqa.exact")
        pairs.append((first, second))
    return pairs


def _facts(found: Comparison) -> dict[str, Any]:
    facts: dict[str, Any] = to_builtins(found)
    for task, compared in found.tasks.items():
        for name, number in compared.numbers.items():
            facts["tasks"][task]["numbers"][name]["difference"] = number.difference
    return facts


def _print(found: Comparison, first: str, second: str, console: Console) -> None:
    console.print(Text(visible(f"A {first}\nB {second}")))
    if found.tasks:
        console.print(_table(found))
        console.print(
            Text("±: standard error of B-A, by paired bootstrap over images and dialogs", "dim")
        )
    for remark in _remarks(found):
        console.print(Text(visible(f"- {remark}")))
    for task, compared in found.tasks.items():
        if compared.changes:
            console.print(_items(task, compared))


def _table(found: Comparison) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS:
        number = name.startswith(">")
        justify: JustifyMethod = "right" if number else "left"
        table.add_column(Text(name.lstrip(">")), justify=justify, no_wrap=number)
    for task, compared in found.tasks.items():
        counts = (compared.num_better, compared.num_worse, compared.num_changed)
        listed = ["-" if count is None else f"{count:,}" for count in counts]
        names = list(compared.numbers) or [compared.metric]
        for place, name in enumerate(names):
            table.add_row(
                Text(visible(task) if not place else ""),
                Text(visible(name)),
                f"{compared.num_common:,}" if not place else "",
                *_number(compared.numbers.get(name)),
                *(listed if not place else ()),
            )
    return table


def _number(number: Number | None) -> Iterator[Text]:
    """A, B, B-A and its error; `-` where there is none."""
    if number is None:
        yield from [Text("-")] * 4
        return
    difference, error = number.difference, number.error
    style = ""
    if difference is not None and error is not None and abs(difference) > CLEAR * error:
        style = "bold"
    yield Text(_decimal(number.first))
    yield Text(_decimal(number.second))
    yield Text(_decimal(difference, "+.2f"), style)
    yield Text(_decimal(error))


def _decimal(number: float | None, form: str = ".2f") -> str:
    return "-" if number is None else format(number, form)


def _remarks(found: Comparison) -> Iterator[str]:
    for task, why in found.refused.items():
        yield f"{task} is not compared: {why}"
    if found.server:
        yield f"not evaluated, a server scores them: {', '.join(found.server)}"
    for task, compared in found.tasks.items():
        for warning in compared.warnings:
            yield f"{task}: {warning}"
    for name, tasks in (("A", found.only_first), ("B", found.only_second)):
        if tasks:
            yield f"only in {name}: {', '.join(tasks)}"


def _items(task: str, compared: TaskComparison) -> Table:
    """The changed records that are shown; nothing in them is markup or steers the terminal."""
    title = f"\n{task}: {len(compared.changes):,} of {compared.num_changed:,} changed records"
    rows = Table.grid(padding=(0, 2))
    rows.title, rows.title_justify = Text(visible(title), "bold"), "left"
    rows.add_column(style="dim", min_width=6)
    rows.add_column(overflow="fold")
    for change in compared.changes:
        first, second = change.scores
        scores = "" if first is second is None else f"{_score(first)} in A, {_score(second)} in B"
        rows.add_row("record", Text(visible(change.record_id), "bold"))
        first_prompt, second_prompt = change.prompts
        rows.add_row("prompt", Text(visible(first_prompt), "cyan"))
        if second_prompt != first_prompt:
            rows.add_row("in B", Text(visible(second_prompt), "cyan"))
        rows.add_row("A", Text(visible(change.outputs[0])))
        rows.add_row("B", Text(visible(change.outputs[1])))
        right = "hidden" if change.references is None else " | ".join(change.references)
        rows.add_row("right", Text(visible(right), "green"))
        rows.add_row("score", scores or "none of its own")
        rows.add_row("", "")
    return rows


def _score(score: float | None) -> str:
    return "none" if score is None else f"{score:.3g}"
