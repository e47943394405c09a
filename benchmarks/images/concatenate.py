"""The floor: each image read and written to one file, fsync."""

import os
from pathlib import Path
from typing import Any

from benchmarks.images.options import image_paths


def run(source: str, output: str) -> dict[str, Any]:
    images = image_paths(source)
    with open(f"{output}/all", "wb") as file:
        for _, path in images:
            file.write(Path(path).read_bytes())
        file.flush()
        os.fsync(file.fileno())
    return {"rows": len(images)}
