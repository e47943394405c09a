"""The product: `pipelines.build` on Beam's embedded engine."""

from io import StringIO
from typing import Any

from rich.console import Console

from benchmarks.harness.straight import facts
from benchmarks.text.options import text_options
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build


def run(source: str, output: str) -> dict[str, Any]:
    options = text_options(source, output)
    return facts(build(options, beam_options([], []), Console(file=StringIO())))
