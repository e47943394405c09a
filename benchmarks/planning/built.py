"""The build of all sources, text only, in one process: what the estimate should have said."""

from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.planning.whole import options, peak_bytes
from datagen.build.staging import Staging
from pipelines.build import run as program
from pipelines.build.beam_options import beam_options


def run(source: str, output: str, share: str) -> dict[str, Any]:
    """Build the raw folder `<source>/<share>`; its disk is measured just before publication."""
    found: dict[str, Any] = {}
    publish = program.publish

    def measured(staging: Staging, *arguments: Any, **options: Any) -> None:
        found["disk_bytes"] = _bytes_below(staging.root)
        publish(staging, *arguments, **options)

    program.publish = measured
    out = f"{output}/dataset"
    manifest = program.build(
        options(f"{source}/{share}", out), beam_options([], []), Console(file=StringIO())
    )
    program.publish = publish
    entries = [entry for splits in manifest.splits.values() for entry in splits.values()]
    return found | {
        "rows": sum(entry.rows for entry in entries),
        "records": sum(entry.written for entry in entries),
        "files": sum(path.is_file() for path in Path(out).rglob("*")),
        "output_bytes": _bytes_below(out),
        "memory_bytes": peak_bytes(),
    }


def _bytes_below(folder: str) -> int:
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
