"""The product on one split of one of the 26."""

from io import StringIO
from typing import Any

from rich.console import Console

from benchmarks.harness.straight import facts
from datagen.build.options import make_options
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build


def run(source: str, output: str, source_id: str) -> dict[str, Any]:
    options = make_options(
        raw=source, out=f"{output}/dataset", sources=(source_id,), splits=("train",)
    )
    return facts(build(options, beam_options([], []), Console(file=StringIO())))
