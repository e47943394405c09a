"""The script that draws the README's image."""

import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from datagen.schema.record import Image as StoredImage
from visinstruct import Record

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCRIPT = DOCS / "tools/make_images.py"
SHIPPED = DOCS / "assets/records.png"


@pytest.mark.slow
def test_the_script_draws_the_image_that_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "records.png"
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--out", str(made)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    with Image.open(made) as new, Image.open(SHIPPED) as shipped:
        difference = ImageChops.difference(new.convert("RGB"), shipped.convert("RGB"))
    mean = (
        sum(ImageStat.Stat(difference).mean) / 3
    )  # versions of FreeType draw letters a little differently
    assert mean < 1, f"run python {SCRIPT.relative_to(DOCS.parent)}"


def test_a_record_with_more_text_than_its_card_is_refused(tmp_path: Path) -> None:
    draw_records = runpy.run_path(str(SCRIPT))["draw_records"]
    image = tmp_path / "a.png"
    Image.new("RGB", (9, 9)).save(image)
    record = Record(
        record_id="vqav2/train/1",
        source="vqav2",
        split="train",
        task="vqa",
        group_id="coco:1",
        template_id="vqa.1",
        instruction="a long question " * 40,
        target="yes",
        images=(StoredImage("coco/a.png", image.read_bytes()),),
    )
    with pytest.raises(SystemExit, match="vqav2/train/1 has more text than its card"):
        draw_records([record])
