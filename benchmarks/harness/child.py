"""Runs one case of a benchmark, alone in a fresh process, and writes what its work cost.

`python -m benchmarks.harness.child REPORT MODULE ARGUMENT...` imports MODULE, calls its `run(*ARGUMENTS)` and writes
two clocks to the file REPORT: one after the imports, one after the work.
"""

import importlib
import json
import resource
import sys
import time
from pathlib import Path

from benchmarks.harness.memory import memory


def clock() -> dict[str, float]:
    """Return seconds, CPU seconds of this process and its finished children, and private bytes now."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "wall_seconds": time.perf_counter(),
        "cpu_seconds": sum(each.ru_utime + each.ru_stime for each in spent),
        "private_bytes": memory().private,
    }


def main() -> None:
    report, module, *arguments = sys.argv[1:]
    case = importlib.import_module(module)
    if "pyarrow" in sys.modules:
        importlib.import_module("pandas")  # pyarrow would, for its first list: an import as well
    ready = clock()
    reported = case.run(*arguments)
    done = clock()
    Path(report).write_text(json.dumps({"ready": ready, "done": done, "report": reported}))


if __name__ == "__main__":
    main()
