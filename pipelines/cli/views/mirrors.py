"""The table of a source's mirror on the Hub."""

from rich.table import Table
from rich.text import Text

from datagen.sources.mirrors.mirror import Mirror, mirror_ids, read_mirror, reasons


def mirror_table(source_id: str) -> Table:
    """Return the facts of a source's mirror, each a row, or why there is none."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("on the Hub")
    table.add_column("not verified", overflow="fold")
    if source_id not in mirror_ids():
        table.add_row("mirror", Text(f"none: {reasons().get(source_id, 'not known')}"))
        return table
    for name, value in _facts(read_mirror(source_id)).items():
        table.add_row(name, Text(value))
    return table


def _facts(mirror: Mirror) -> dict[str, str]:
    splits = (
        f"{ours}" + (f" ({each.rows} rows)" if each.rows else "")
        for ours, each in mirror.splits.items()
    )
    revision = mirror.revision or "that of the day" + (
        f", seen {mirror.seen}" if mirror.seen else ""
    )
    facts = {
        "repository": mirror.repository,
        "also at": mirror.also_at,
        "revision": revision,
        "splits": ", ".join(splits),
        "images": "in the rows" if mirror.pictures == "embedded" else "apart",
        "lacks": "; ".join(mirror.lacks) or "nothing that is known",
        "download": mirror.download,
        "licence tag": mirror.licence_tag,
        "read in": "; ".join(mirror.read_in),
    }
    return {name: value for name, value in facts.items() if value}
