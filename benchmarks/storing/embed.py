"""The product: a build with `--images embed`, whose raw files and output are local or in a bucket."""

import os
from io import StringIO
from typing import Any

from rich.console import Console

from benchmarks.images.options import image_options
from datagen.stores.any_files import AnyFiles
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build

RAW, DATASETS = "raw", "datasets"


def run(source: str, output: str, place: str) -> dict[str, Any]:
    if place != "local":
        source, output = f"{place}/{RAW}", f"{place}/{DATASETS}/{os.getpid()}"
    manifest = build(image_options(source, output), beam_options([], []), Console(file=StringIO()))
    return {"content_hash": manifest.content_hash}


def drop(place: str) -> None:
    """Remove what the runs wrote into the bucket."""
    files = AnyFiles()
    files.remove(files.store.below(f"{place}/{DATASETS}"))
