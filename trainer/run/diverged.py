"""A non-finite loss or gradient: the run stops, and the samples of the step are kept."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from trainer.errors import DivergedError
from trainer.launch.distributed import World
from trainer.model.batch import Batch


def check_finite(
    world: World,
    folder: Path,
    step: int,
    batches: Sequence[Batch],
    losses: Sequence[Tensor],
    loss: float,
    norm: float | None,
) -> None:
    """Stop every process if the global loss or gradient norm of step `step` (from 0) is not finite.

    `losses` are this process's losses by micro-batch and sample. The first process writes
    `RUN/diverged-step-N.json`: sample number, record and loss of every sample of the global batch.

    Raises:
        DivergedError: names the file, and how to replay its samples or resume without them.
    """
    if math.isfinite(loss) and (norm is None or math.isfinite(norm)):
        return
    mine = [
        {"k": int(k), "record_id": record, "source": source, "loss": _plain(value)}
        for batch, part in zip(batches, losses, strict=True)
        for k, record, source, value in zip(
            batch.ks, batch.record_ids, batch.sources, part.tolist(), strict=True
        )
    ]
    samples = sorted((row for part in world.gather(mine) for row in part), key=lambda row: row["k"])
    path = folder / f"diverged-step-{step}.json"
    if world.is_first:
        found = {"step": step, "loss": str(loss), "gradient_norm": str(norm), "samples": samples}
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    bad = [row["record_id"] for row in samples if row["loss"] is None]
    which = f"; samples without a finite loss: {', '.join(bad[:5])}" if bad else ""
    what = f"loss is {loss}" if not math.isfinite(loss) else f"gradient's norm is {norm}"
    raise DivergedError(
        f"step {step + 1}: the {what}{which}. Its {len(samples)} samples are in {path}; "
        f"to resume without them, add --skip-steps {step + 1}; to see their losses one by one with the last "
        f"checkpoint: the same command with --replay {path}"
    )


def _plain(value: float) -> Any:
    return value if math.isfinite(value) else None
