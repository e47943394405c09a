"""The product, in one process."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.reading_words.quality import compare
from pipelines.build.beam_options import beam_options
from pipelines.ocr.reader import OcrOptions
from pipelines.ocr.run import read_words


def run(source: str, output: str, min_side: str) -> dict[str, Any]:
    out = Path(output, "ocr_tokens.jsonl")
    read_words(
        f"{source}/images",
        str(out),
        OcrOptions(min_side=int(min_side)),
        beam_options([], []),
        workers=1,
        console=Console(file=StringIO()),
    )
    rows = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    return compare(source, {row["image_id"]: row["ocr_tokens"] for row in rows})
