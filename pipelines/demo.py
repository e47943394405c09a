"""`make demo`: drawn raw data, a dataset of it, and the nano model trained on that and evaluated."""

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
SHOWN = "vqav2,scienceqa,llava_detail,msvd_qa"
"""Sources of which the demo shows a record: short answer, choices, conversation, video."""


def steps(folder: Path) -> list[list[str]]:
    """The commands, as arguments of `visinstruct`; together they print less than three screens."""
    raw, out, run = (str(folder / name) for name in ("raw", "instruct", "run"))
    nano = os.path.relpath(shipped_configs()["nano_cpu"])
    embed = ("--images", "embed", "--image-max-side", "384")
    evaluated = ("--model", run, "--data", out, "--output", str(folder / "evaluation"))
    return [
        ["sample", "--scenes", NUM_SCENES, "--out", raw],
        ["build", "--raw", raw, "--out", out, *embed, "--brief"],
        ["mixture", out],
        ["show", out, "--source", SHOWN, "--split", "train", "--rows", "1"],
        ["explain", out, "--sample", "1000"],
        ["train", nano, *PROCESSES, f"data.dataset={out}", f"output={run}", "logging.every=60"],
        ["evaluate", *evaluated, *PROCESSES, "--brief"],
    ]


def run(folder: Path = FOLDER) -> int:
    """Run the steps; stops at the first that fails. The report's path is printed last."""
    shutil.rmtree(folder / "evaluation", ignore_errors=True)  # of an earlier demo
    times: list[str] = []
    for arguments in steps(folder):
        print(f"\n$ visinstruct {shlex.join(arguments)}", flush=True)
        start = time.perf_counter()
        status = main(arguments)
        sys.stdout.flush()
        times.append(f"{arguments[0]} {time.perf_counter() - start:.1f} s")
        if status:
            return status
    print(f"\n{', '.join(times)}\nreport: {folder / 'evaluation' / 'report.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(run(*map(Path, sys.argv[1:2])))
