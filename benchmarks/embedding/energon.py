"""Megatron Energon: the tar files of webdataset, and `energon prepare`, without which they cannot be read."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.embedding import webdataset_tar


def run(source: str, output: str) -> dict[str, Any]:
    found = webdataset_tar.run(source, output)
    subprocess.run(
        [
            str(Path(sys.executable).with_name("energon")),
            "prepare",
            output,
            "--no-progress",
            "--num-workers=1",
            "--non-interactive",
            "--split-ratio=1,0,0",
            "--sample-type=CaptioningSample",
            '--field-map={"image": "jpg", "caption": "txt"}',
        ],
        check=True,
    )
    return found
