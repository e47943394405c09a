"""Draw the README's image: four rendered records of the sample, with their images.

    python docs/tools/make_images.py          # writes docs/assets/records.png

It runs the real build on drawn raw data. Change `SHOWN` to show other records.
"""

import argparse
import io
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import visinstruct
from pipelines.cli.main import main as run_command
from visinstruct import Record

SHOWN = (("vqav2", 2), ("textcaps", 1), ("aokvqa", 2), ("vqav2_qg", 2))
"""Source, and number of the record in its training split."""

PNG = Path(__file__).resolve().parents[1] / "assets/records.png"

SCALE = 2  # pixels a unit of length, for dense screens
CARD, PADDING, GAP = (540, 190), 16, 14
PICTURE = CARD[1] - 2 * PADDING
INK, FAINT, TARGET, PAPER, EDGE = "#1f2328", "#59636e", "#0a6b3d", "#ffffff", "#d1d9e0"


def write_image(path: Path, num_scenes: int = 60) -> None:
    """Build the sample and draw the records of `SHOWN` into a PNG."""
    with tempfile.TemporaryDirectory() as folder:
        raw, out = f"{folder}/raw", f"{folder}/out"
        sources = ",".join(source for source, _ in SHOWN)
        sample = ["sample", "--scenes", str(num_scenes), "--out", raw]
        build = ["build", "--raw", raw, "--out", out, "--images", "embed", "--sources", sources]
        for command in (sample, build):
            if run_command(command):
                raise SystemExit(f"visinstruct {command[0]} failed")
        dataset = visinstruct.open_dataset(out)
        records = [dataset.record(source, "train", number) for source, number in SHOWN]
    draw_records(records).save(path, optimize=True)


def draw_records(records: list[Record]) -> Image.Image:
    """Draw records as cards, two in a row."""
    rows = (len(records) + 1) // 2
    size = (2 * CARD[0] + 3 * GAP, rows * CARD[1] + (rows + 1) * GAP)
    sheet = Image.new("RGB", (size[0] * SCALE, size[1] * SCALE), PAPER)
    for number, record in enumerate(records):
        left = GAP + (number % 2) * (CARD[0] + GAP)
        top = GAP + (number // 2) * (CARD[1] + GAP)
        _draw_card(sheet, record, left, top)
    return sheet.quantize(96)


def _draw_card(sheet: Image.Image, record: Record, left: int, top: int) -> None:
    draw = ImageDraw.Draw(sheet)
    box = [(left * SCALE, top * SCALE), ((left + CARD[0]) * SCALE, (top + CARD[1]) * SCALE)]
    draw.rounded_rectangle(box, radius=8 * SCALE, outline=EDGE, width=SCALE)
    assert record.images and record.images[0].bytes
    picture = Image.open(io.BytesIO(record.images[0].bytes)).convert("RGB")
    picture = picture.resize((PICTURE * SCALE, PICTURE * SCALE), Image.Resampling.LANCZOS)
    sheet.paste(picture, ((left + PADDING) * SCALE, (top + PADDING) * SCALE))
    x = left + 2 * PADDING + PICTURE
    width = CARD[0] - PICTURE - 3 * PADDING
    y = top + PADDING
    y = _draw_text(draw, f"{record.source}/{record.split}", x, y, width, 13, FAINT) + 8
    y = _draw_text(draw, record.instruction, x, y, width, 15, INK) + 8
    y = _draw_text(draw, record.target or "", x, y, width, 15, TARGET)
    if y > top + CARD[1] - PADDING / 2:
        raise SystemExit(f"{record.record_id} has more text than its card; show another record")


def _draw_text(
    draw: ImageDraw.ImageDraw, text: str, x: int, y: int, width: int, size: int, ink: str
) -> int:
    """Draw a text in lines of at most `width`; returns where it ends."""
    font = ImageFont.load_default(size * SCALE)
    for line in _lines(draw, text, width * SCALE, font):
        draw.text((x * SCALE, y * SCALE), line, fill=ink, font=font)
        y += round(size * 1.3)
    return y


def _lines(
    draw: ImageDraw.ImageDraw, text: str, width: int, font: ImageFont.FreeTypeFont
) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and draw.textlength(longer, font) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PNG, help="default: %(default)s")
    write_image(parser.parse_args().out)
