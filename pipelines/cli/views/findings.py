"""The table of findings that `visinstruct doctor` prints."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.console import output, visible
from pipelines.doctor.finding import Finding

_STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}


MANY = 3
"""Findings of one check that are all well, from which on they share a line."""


def print_findings(findings: Sequence[Finding], console: Console | None = None) -> None:
    """Print a line for each finding, its remedy below it, and the number of each status.

    Of one check, many findings that are well share a line.
    """
    console = console or output()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("check", "of", "status", "found"):
        table.add_column(name, no_wrap=name != "found", overflow="fold")
    for each in _shortened(findings):
        found = Text(visible(each.found))
        if each.status != "ok":
            found.append(f"\n-> {visible(each.remedy)}", "dim")
        status = Text(each.status, _STYLES[each.status])
        table.add_row(each.check, Text(visible(each.subject)), status, found)
    console.print(table)
    counts = {s: sum(each.status == s for each in findings) for s in _STYLES}
    console.print(
        Text(f"{counts['problem']} problems, {counts['warning']} warnings, {counts['ok']} ok")
    )


def _shortened(findings: Sequence[Finding]) -> Iterator[Finding]:
    well = Counter(each.check for each in findings if each.status == "ok")
    done = set()
    for each in findings:
        if each.status != "ok" or well[each.check] <= MANY:
            yield each
        elif each.check not in done:
            done.add(each.check)
            subjects = [e.subject for e in findings if e.check == each.check and e.status == "ok"]
            yield Finding(each.check, f"{len(subjects)} others", "ok", ", ".join(subjects))
