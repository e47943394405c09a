"""One record on a terminal."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from datagen.record import Record


def record_view(record: Record) -> RenderableType:
    """Id, media, then what the model is told and must say. Nothing in a record is taken as markup."""
    lines = [Text(record.record_id, "bold"), _line("template", record.template_id)]
    if record.images:
        lines.append(_line("image", ", ".join(_image(i.path, i.bytes) for i in record.images)))
    if record.video:
        times = ", ".join(f"{time:.2f}" for time in record.video.frame_times or ())
        lines.append(_line("video", f"{record.video.path}, frames at {times or '-'} s"))
    lines.append(_line("instruction", record.instruction, "cyan"))
    lines.append(_line("target", "(hidden)" if record.target is None else record.target, "green"))
    if record.references and len(record.references) > 1:
        lines.append(_line("references", " | ".join(record.references)))
    if record.candidates:
        first = " | ".join(record.candidates[:5])
        lines.append(_line("candidates", f"{len(record.candidates)}: {first} | ..."))
    return Padding(Group(*lines), (0, 0, 1, 0))


def _line(name: str, value: str, style: str = "") -> Text:
    return Text.assemble((f"  {name:<12}", "dim"), (value.replace("\n", "\n" + " " * 14), style))


def _image(path: str, data: bytes | None) -> str:
    return path if data is None else f"{path} ({len(data):,} bytes)"
