"""A command as users give it, in a fresh process of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Any


def run(source: str, output: str, *arguments: str) -> dict[str, Any]:
    """`{source}` and `{output}` in the arguments stand for the folders of that name."""
    program = Path(sys.executable).with_name("visinstruct")
    filled = [each.format(source=source, output=output) for each in arguments]
    subprocess.run([program, *filled], check=True, capture_output=True)
    return {}
