"""Non-finite losses and gradients: the run stops and saves the samples of the step, which can be replayed."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from trainer.config.run import RunConfig
from trainer.errors import ConfigError, DivergedError
from trainer.launch.distributed import World
from trainer.model.batch import Batch
from trainer.run.setup import Setup


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


def replay(file: str, setup: Setup, config: RunConfig, world: World) -> int:
    """Print record, loss and texts of every sample in a `diverged-step-N.json`, to find the non-finite one; collective.

    The weights are those of the checkpoint that the run resumes from, not of the step itself.

    Raises:
        ConfigError: `file` cannot be read, or is not such a file.
    """
    try:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
        numbers = [int(row["k"]) for row in found["samples"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"--replay {file}: not a file of a diverged step: {error}") from None
    size = config.batch.micro_size
    with setup.engine.evaluating() as module:
        for first in range(0, len(numbers), size):
            samples = setup.stream.samples(numbers[first : first + size])
            output = module(setup.collator(samples).to(world.device))
            if not world.is_first:
                continue
            rows = zip(
                samples, output.sample_loss.tolist(), output.sample_tokens.tolist(), strict=True
            )
            for sample, loss, tokens in rows:
                mark = " " if math.isfinite(loss) else "!"
                print(
                    f"{mark} k={sample.place.k} {sample.record_id} loss {loss / tokens:.4f} of {tokens} tokens: "
                    f"{sample.instruction!r} -> {sample.target!r}",
                    flush=True,
                )
    return 0
