"""The product, in one process."""

from io import StringIO
from typing import Any

from rich.console import Console

from benchmarks.fetching.contest import THREADS, contest
from pipelines.build.beam_options import beam_options
from pipelines.fetch.http import Rules
from pipelines.fetch_images.options import FetchOptions
from pipelines.fetch_images.run import fetch_images


def run(source: str, output: str, max_side: str = "") -> dict[str, Any]:
    rules = Rules(allow_private=True, total_seconds=60)
    options = FetchOptions(
        out=f"{output}/images",
        max_side=int(max_side) if max_side else None,
        host_rate=None,
        connections=THREADS,
        rules=rules,
    )
    with contest(source, output) as report:
        fetch_images(
            [f"{source}/list.txt"],
            options,
            beam_options([], []),
            workers=1,
            console=Console(file=StringIO()),
        )
    return report
