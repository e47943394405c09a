"""`visinstruct metric`: checks a metric against cases with known scores, such as the official code's."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from datagen.errors import OptionError
from pipelines.console import visible
from trainer.evaluation.conformance.case import shortened
from trainer.evaluation.conformance.cases import (
    ALIASES,
    NAMES,
    CaseOptions,
    CaseReport,
    Disagreement,
    check_cases,
    num_cases,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="a metric (default: list their names)")
    add(
        "--cases",
        metavar="FILE",
        help="JSONL; a line has `inputs`, `expected` and its `source` (no default)",
    )
    add("--backend", choices=("own", "pycocoevalcap"), default="own", help="of captions' metrics")
    add(
        "--data",
        metavar="DIR",
        help="where files lie that cases name, as vsr's do (default: the folder of the cases)",
    )
    add("--list", action="store_true", help="list the names")


def run(parsed: argparse.Namespace, rest: Sequence[str], parser: argparse.ArgumentParser) -> int:
    """0: all cases that were checked agree; 1: some do not."""
    if parsed.list or (parsed.name is None and parsed.cases is None):
        _list()
        return 0
    if parsed.name is None or parsed.cases is None:
        missing = "a NAME; --list shows them" if parsed.name is None else "--cases FILE"
        raise OptionError(f"visinstruct metric needs {missing}")
    path = Path(parsed.cases)
    data = path.parent if parsed.data is None else Path(parsed.data)
    if parsed.data is not None and not data.is_dir():
        raise OptionError(f"--data {data}: no such folder")
    report = check_cases(path, parsed.name, CaseOptions(parsed.backend, data))
    for line in _lines(path, report):
        print(visible(line))
    return 1 if report.num_disagreeing else 0


def _list() -> None:
    for name in NAMES:
        others = [alias for alias, known in ALIASES.items() if known == name]
        print(f"{name}{' (also ' + ', '.join(others) + ')' if others else ''}")


def _lines(path: Path, report: CaseReport) -> list[str]:
    checked = report.num_agreeing + report.num_disagreeing
    lines = [
        f"{path}: {report.num_agreeing:,} of {num_cases(checked)} agree ({report.num_values:,} values)"
    ]
    if report.num_unchecked:
        lines.append(f"not checked: {num_cases(report.num_unchecked)} with none of its values")
    for (key, why), number in report.unchecked.items():
        lines.append(f"not checked: {key} of {num_cases(number)}: {why}")
    for disagreement in report.disagreements:
        lines += _difference(disagreement)
    if more := report.num_disagreeing - len(report.disagreements):
        lines.append(f"and {more:,} more that do not agree")
    return lines


def _difference(disagreement: Disagreement) -> list[str]:
    case, (key, expected, got) = disagreement.case, disagreement.difference
    lines = [
        f"{case.named}: {key}",
        f"  expected  {shortened(expected)}",
        f"  got       {shortened(got)}",
        f"  inputs    {shortened(case.row['inputs'])}",
    ]
    if "source" in case.row:
        lines.append(f"  source    {shortened(case.row['source'])}")
    return lines
