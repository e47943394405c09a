"""The table of `visinstruct evaluate --list`."""

from rich.table import Table
from rich.text import Text

from templates.library import load_templates


def protocol_table() -> Table:
    """Every protocol that has an evaluation: what is asked, how, and how it is scored."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("protocol", "split", "records", "method", "metric", "prompt"):
        table.add_column(name, no_wrap=name != "prompt", overflow="fold")
    for name, protocol in load_templates().protocols.items():
        rules = protocol.evaluation
        if rules is not None:
            how = rules.method if rules.candidates is None else f"rank {rules.candidates}"
            count = "unknown" if rules.records is None else f"{rules.records:,}"
            prompt = Text(protocol.prompt.source)
            table.add_row(name, rules.split, count, how, rules.metric, prompt)
    return table
