"""`make demo`: drawn raw data, a dataset of it, and the nano model tuned on that and evaluated."""

import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from pipelines.cli.main import main
from trainer.config.shipped import shipped_configs

FOLDER = Path("data/demo")
NUM_SCENES = "300"
PROCESSES = ("--processes", "2")


def steps(folder: Path) -> list[list[str]]:
    raw, out = str(folder / "raw"), str(folder / "instruct")
    nano = os.path.relpath(shipped_configs()["nano_cpu"])
    return [
        ["sample", "--scenes", NUM_SCENES, "--out", raw],
        ["sources", "--raw", raw],
        ["build", "--raw", raw, "--out", out, "--images", "embed", "--image-max-side", "384"],
        ["mixture", out],
        ["show", out, "--rows", "1"],
        ["explain", out, "--draw", "1000"],
        ["train", nano, *PROCESSES, f"data.dataset={out}", f"output={folder / 'run'}"],
        ["evaluate", "--model", str(folder / "run"), *PROCESSES, *_asked(folder, out)],
    ]


def _asked(folder: Path, out: str) -> list[str]:
    return ["--data", out, "--tasks", "heldout", "--output", str(folder / "evaluation")]


def run(folder: Path = FOLDER) -> int:
    """Run the steps, each with its time; stops at the first that fails."""
    shutil.rmtree(folder / "evaluation", ignore_errors=True)  # of an earlier demo
    times: list[tuple[str, float]] = []
    for arguments in steps(folder):
        print(f"\n$ visinstruct {shlex.join(arguments)}", flush=True)
        start = time.perf_counter()
        status = main(arguments)
        sys.stdout.flush()
        times.append((arguments[0], time.perf_counter() - start))
        if status:
            return status
    print("".join(f"\n{name:9} {seconds:6.1f} s" for name, seconds in times))
    return 0


if __name__ == "__main__":
    sys.exit(run(*map(Path, sys.argv[1:2])))
