"""One number of processes: rate of a run, then how long a start takes, and a start after a kill."""

import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.launches.launch import events, finished, kill, started, wait_for
from trainer.run import checkpoint

NUM_LOGGED = 6
"""Log lines with the speed of a run; the first one, when caches are empty, is left out."""


def run(source: str, output: str, processes: str, steps: str) -> dict[str, Any]:
    """`source` has `run.yaml`; the run makes `steps` steps."""
    config = Path(output, "run.yaml")
    config.write_text(Path(source, "run.yaml").read_text())
    found = rates(config, Path(output, "rates"), int(processes), int(steps))
    return found | starts(config, Path(output, "starts"), int(processes))


def rates(config: Path, output: Path, processes: int, steps: int) -> dict[str, Any]:
    every = max(steps // NUM_LOGGED, 1)
    overrides = [
        f"output={output}",
        f"optimizer.steps={steps}",
        f"logging.every={every}",
        f"checkpoint.every={steps}",
    ]
    with started(config, overrides, processes) as process:
        finished(process, config)
    logged = events(output, "step")[1:]
    [saved] = events(output, "checkpoint")
    return {
        "samples_per_s": median(event["samples_per_s"] for event in logged),
        "data_wait": median(event["data_wait"] for event in logged),
        "save_seconds": saved["seconds"],
        **size(output / "checkpoints" / saved["path"]),
    }


def size(path: Path) -> dict[str, float]:
    """Bytes of a checkpoint and of the tensors in it, and the seconds that reading it takes."""
    before = time.perf_counter()
    checkpoint.read_run_state(path)
    tensors = checkpoint.read_tensors(path)
    seconds = time.perf_counter() - before
    held = sum(tensor.nbytes for parts in tensors.values() for tensor in parts.values())
    written = sum(file.stat().st_size for file in path.iterdir())
    return {"bytes": written, "tensor_bytes": held, "read_seconds": seconds}


def starts(config: Path, output: Path, processes: int) -> dict[str, float]:
    """Seconds from the launch to the first step; and, after a kill, from the next launch to its first."""
    overrides = [
        f"output={output}",
        "optimizer.steps=1000000",
        "logging.every=1",
        "checkpoint.every=2",
    ]
    before = time.perf_counter()
    with started(config, overrides, processes) as process:
        wait_for(output, "step", 1, process, config)
        first = time.perf_counter() - before
        wait_for(output, "checkpoint", 1, process, config)
        kill(process)
    before = time.perf_counter()
    with started(config, overrides, processes) as process:
        wait_for(output, "step", 2, process, config)
        again = time.perf_counter() - before
    return {"first_step_seconds": first, "resume_seconds": again}
