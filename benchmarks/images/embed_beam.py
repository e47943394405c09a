"""The product: `pipelines.build` with `--images embed` on Beam's embedded engine."""

from io import StringIO
from typing import Any

from rich.console import Console

from benchmarks.harness.straight import facts
from benchmarks.images.options import image_options
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build


def run(source: str, output: str) -> dict[str, Any]:
    options = image_options(source, output)
    return facts(build(options, beam_options([], []), Console(file=StringIO())))
