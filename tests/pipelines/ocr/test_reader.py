"""The library itself, on the sample's drawn words."""

import json
from io import StringIO

import pytest
from rich.console import Console

from datagen.sample.write import write_sample
from datagen.sources.ocr_vqa import SOURCE
from pipelines.build.beam_options import beam_options
from pipelines.ocr.reader import OcrOptions
from pipelines.ocr.run import read_words

NUM_COVERS = 4


def test_the_words_of_drawn_covers_are_read_as_the_adapter_takes_them(tmp_path):
    pytest.importorskip("rapidocr", reason="the extra ocr is 120 MB and not part of dev")
    pytest.importorskip("onnxruntime", reason="the extra ocr is 120 MB and not part of dev")
    write_sample(tmp_path / "raw", num_scenes=12, sources=["ocr_vqa"])
    covers, out = tmp_path / "raw/ocr_vqa/images", tmp_path / "ocr_tokens.jsonl"
    lines = (tmp_path / "raw/ocr_vqa/ocr_tokens.jsonl").read_text().splitlines()
    drawn = {row["image_id"]: row["ocr_tokens"] for row in map(json.loads, lines[:NUM_COVERS])}
    for path in covers.iterdir():
        if path.stem not in drawn:
            path.unlink()
    report = read_words(
        *(str(covers), str(out), OcrOptions(), beam_options([], [])),
        naming="stem",
        console=Console(file=StringIO()),
    )
    assert (report.num_read, report.rejected.total()) == (NUM_COVERS, 0)
    found = SOURCE.splits[0].tables["ocr"].load(out.read_bytes())
    assert {name: sorted(tokens.split("\n")) for name, tokens in found.items()} == {
        name: sorted(words) for name, words in drawn.items()
    }
