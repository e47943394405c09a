"""RapidOCR as its page shows it, in a loop over the files, on one thread."""

from pathlib import Path
from typing import Any

from rapidocr import RapidOCR

from benchmarks.reading_words.quality import compare


def run(source: str, output: str) -> dict[str, Any]:
    threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    engine = RapidOCR(params={**threads, "Global.log_level": "critical"})
    read = {}
    for path in sorted(Path(source, "images").iterdir()):
        lines = engine(str(path)).txts or ()
        read[path.name] = [word for line in lines for word in line.split()]
    return compare(source, read)
