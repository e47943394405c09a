"""One record on a terminal."""

from itertools import islice

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from datagen.dataset import BuiltDataset
from datagen.schema.record import Record
from pipelines.console import visible

MAX_SHOWN = 5


def first_records(dataset: BuiltDataset, source: str, split: str, rows: int) -> list[Record]:
    """Return the first `rows` records of a split.

    Raises:
        OutputError: a shard is missing, unreadable, or not what the manifest says.
    """
    return list(islice(dataset.records(source, split), rows))


def record_view(record: Record) -> RenderableType:
    """Render a record: id, media, instruction, target. Its texts are escaped: no markup, no control characters."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", min_width=11)
    rows.add_column(overflow="fold")

    def add(name: str, value: str, style: str = "") -> None:
        rows.add_row(f"  {name}", Text(visible(value), style))

    add("template", record.template_id)
    for image in record.images or ():
        add("image", image.path + (f" ({len(image.bytes):,} bytes)" if image.bytes else ""))
    if record.video:
        times = ", ".join(f"{time:.2f}" for time in record.video.frame_times or ())
        add("video", f"{record.video.path}, frames at {times or 'unknown'} s")
    add("instruction", record.instruction, "cyan")
    add("target", "(hidden)" if record.target is None else record.target, "green")
    if record.references and len(record.references) > 1:
        add("references", " | ".join(record.references))
    if record.candidates:
        first = " | ".join(record.candidates[:MAX_SHOWN])
        add("candidates", f"{first} | ... {len(record.candidates)} in all")
    return Group(Text(visible(record.record_id), "bold"), rows, Text(""))
