"""Images with words: the sample's, and covers with small and slanted print."""

import json
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.harness.generate import WORDS
from datagen.sample.write import write_sample

SIZES = (11, 14, 18, 26, 40)
"""Heights of print on a cover, in pixels."""
WIDTH, HEIGHT = 340, 500


def write_inputs(source: Path, rows: int) -> None:
    """Draw `rows` images of each kind to `source/images`, and their words to `source/words.json`."""
    write_sample(source / "raw", num_scenes=rows, sources=["ocr_vqa"])
    images = source / "images"
    (source / "raw/ocr_vqa/images").rename(images)
    words = {}
    for line in (source / "raw/ocr_vqa/ocr_tokens.jsonl").read_text().splitlines():
        row = json.loads(line)
        words[f"{row['image_id']}.jpg"] = row["ocr_tokens"]
    for path in images.iterdir():
        if path.name not in words:  # the sample leaves some covers without words
            path.unlink()
    for number in range(rows):
        words[f"cover{number:04d}.jpg"] = _cover(images / f"cover{number:04d}.jpg", number)
    (source / "words.json").write_text(json.dumps(words))


def _cover(path: Path, seed: int) -> list[str]:
    """Draw a noisy cover with a line of each size, turned by a few degrees; return its words."""
    draw, rng = random.Random(seed), np.random.default_rng(seed)
    ground = rng.integers(0, 90, 3)
    noise = rng.integers(0, 30, (HEIGHT, WIDTH, 3))
    image = Image.fromarray((ground + noise).astype(np.uint8))
    canvas, drawn = ImageDraw.Draw(image), []
    for line, size in enumerate(SIZES):
        font = ImageFont.load_default(size=size)
        words = [draw.choice([word for word in WORDS if len(word) > 2]) for _ in range(3)]
        while font.getlength(" ".join(words)) > WIDTH - 60:
            words.pop()
        canvas.text((30, 50 + 85 * line), " ".join(words), (235, 230, 200), font)
        drawn += words
    turned = image.rotate(draw.uniform(-4, 4), Image.Resampling.BICUBIC, fillcolor=tuple(ground))
    turned.save(path, "JPEG", quality=75)
    return drawn
