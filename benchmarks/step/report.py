"""Report of a contestant's steps, and the check that all contestants make the same ones."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.step.clock import Clock
from benchmarks.step.settings import Setting, Shape
from trainer.model.batch import Batch
from trainer.model.flops import batch_flops
from trainer.model.model import Model
from trainer.run.throughput import measured_matmul_rate

NUM_LOSSES = 2
TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2}
"""Relative, of a loss. In bf16 a weight's update is rounded by one loop and not by the other."""

CACHED_TOLERANCE = 1e-3

Timed = Callable[[Shape, list[float]], tuple[Clock[Any], Sequence[Batch]]]
"""Makes the steps of a shape; fills in the first losses; gives the clock and the batches timed."""


def steps_of(setting: Setting, model: Model, source: Path, timed: Timed) -> dict[str, Any]:
    """Time every shape. The first losses must be those of the contestant that ran before.

    Shapes come from small to large: where memory ends, the larger ones are not tried.
    """
    ceiling = measured_matmul_rate(setting.torch_device, setting.dtype)
    shapes: dict[str, Any] = {}
    for shape in setting.shapes:
        if setting.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        losses: list[float] = []
        try:
            clock, batches = timed(shape, losses)
        except torch.OutOfMemoryError:
            shapes |= {str(each): None for each in setting.shapes if str(each) not in shapes}
            break
        tolerance = TOLERANCE[setting.compute]
        if batches[0].features is not None:
            tolerance = max(tolerance, CACHED_TOLERANCE)
        check_losses(source / f"losses-{shape}.json", losses, tolerance)
        flops = sum(batch_flops(model, batch) for batch in batches) / len(batches)
        shapes[str(shape)] = {
            "samples_per_s": shape.samples * setting.steps / clock.seconds,
            "step_ms": 1e3 * clock.seconds / setting.steps,
            "step_cpu_ms": 1e3 * clock.cpu_seconds / setting.steps,
            "flops_per_s": flops * setting.steps / clock.seconds,
            "gflop_per_sample": flops / shape.samples / 1e9,
            "data_wait": clock.waited / clock.seconds,
            "peak_gpu_bytes": _peak(setting),
            "losses": losses,
        }
    return {"ceiling": ceiling, "threads": torch.get_num_threads(), "shapes": shapes}


def check_losses(file: Path, losses: Sequence[float], tolerance: float) -> None:
    """Return True if the losses are those in `file`; the first contestant writes it.

    Raises:
        SystemExit: they are not: the contestants do not do the same work.
    """
    assert len(losses) == NUM_LOSSES, losses
    if not file.exists():
        file.write_text(json.dumps(list(losses)))
        return
    expected = json.loads(file.read_text())
    for mine, other in zip(losses, expected, strict=True):
        if not abs(mine - other) <= tolerance * abs(other):
            raise SystemExit(f"losses {losses} are not those of another contestant: {expected}")


def _peak(setting: Setting) -> int | None:
    return torch.cuda.max_memory_allocated() if setting.device == "cuda" else None
