"""The product on one split of captions, in one process or in several workers."""

from io import StringIO
from typing import Any

from rich.console import Console

from benchmarks.harness.straight import facts
from datagen.build.options import make_options
from pipelines.build.beam_options import beam_options
from pipelines.build.run import build


def run(source: str, output: str, rows: str, workers: str, max_memory: str) -> dict[str, Any]:
    """`rows` names the folder of the input; `workers` is 1 for Beam's engine in this process."""
    options = make_options(
        raw=f"{source}/{rows}",
        out=f"{output}/dataset",
        sources=("web_capfilt",),
        missing_images="keep",
        max_memory=max_memory,
    )
    beam = []
    if workers != "1":
        beam = ["--direct_running_mode=multi_processing", f"--direct_num_workers={workers}"]
    return facts(build(options, beam_options(beam, []), Console(file=StringIO())))
