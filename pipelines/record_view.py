"""One record on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from datagen.record import Record

MAX_SHOWN = 5


def record_view(record: Record) -> RenderableType:
    """Id, media, then what the model is told and must say. Nothing in a record is taken as markup."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", min_width=11)
    rows.add_column(overflow="fold")

    def add(name: str, value: str, style: str = "") -> None:
        rows.add_row(f"  {name}", Text(value, style))

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
    return Group(Text(record.record_id, "bold"), rows, Text(""))
