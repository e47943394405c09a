"""The table of `visinstruct evaluate --list`."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from pipelines.console import visible
from templates.library import load_protocols


def protocol_table(template_dir: str | Path | None = None) -> Table:
    """Return a table of the protocols that have an evaluation: prompt, split, method and metric."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("protocol", "split", "records", "method", "metric"):
        table.add_column(name, no_wrap=True)
    table.add_column("prompt")
    for name, protocol in load_protocols(template_dir).items():
        rules = protocol.evaluation
        if rules is not None:
            method = rules.method if rules.candidates is None else f"rank {rules.candidates}"
            count = "unknown" if rules.records is None else f"{rules.records:,}"
            prompt = _first_line(protocol.prompt.source)
            table.add_row(name, rules.split, count, method, rules.metric, prompt)
    return table


def _first_line(prompt: str) -> Text:
    """The first line of a prompt, on one line of the table; an ellipsis stands for the rest."""
    first, *more = prompt.splitlines() or [""]
    text = visible(first) + (" …" if more else "")
    return Text(text, no_wrap=True, overflow="ellipsis")
