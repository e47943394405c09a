"""The product on a source file."""

from io import StringIO
from typing import Any

from rich.console import Console

from benchmarks.harness.straight import facts
from datagen.build.options import make_options
from datagen.sources.declared.load import read_definitions
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build


def run(source: str, output: str, name: str) -> dict[str, Any]:
    declared = list(read_definitions(f"{source}/{name}.yaml"))
    options = make_options(raw=None, out=f"{output}/dataset", declared=declared)
    return facts(build(options, beam_options([], []), Console(file=StringIO())))
