"""The same functions and the same staging in a plain loop, without Beam."""

from typing import Any

from benchmarks.harness.straight import MemoryFiles, straight_build
from benchmarks.text.options import text_options
from datagen.build.staging import Staging
from datagen.files import LocalFiles


def run(source: str, output: str, blocks: str) -> dict[str, Any]:
    """Build with a plain loop; `blocks` is where staged blocks go, `disk` or `memory`."""
    files = MemoryFiles() if blocks == "memory" else LocalFiles()
    return straight_build(text_options(source, output), files, Staging(f"{output}/staging"))
