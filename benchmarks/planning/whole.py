"""The build that is estimated, and the peak of a process's memory."""

import re
from pathlib import Path

from datagen.build.options import BuildOptions, make_options

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def options(raw: str, out: str) -> BuildOptions:
    return make_options(raw=raw, out=out, missing_images="keep")


def peak_bytes() -> int:
    """Return the largest memory that was resident at once in this process."""
    found = _PEAK.search(Path("/proc/self/status").read_text())
    return 0 if found is None else 1024 * int(found[1])
