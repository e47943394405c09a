"""The samples of a diverged step, one by one, to find which of them makes the loss non-finite."""

import json
import math
from pathlib import Path

from trainer.config.run import RunConfig
from trainer.errors import ConfigError
from trainer.launch.distributed import World
from trainer.run.setup import Setup


def replay(file: str, setup: Setup, config: RunConfig, world: World) -> int:
    """Print record, loss and text of every sample in a `diverged-step-N.json`; collective.

    The weights are those of the checkpoint that the run resumes from, not of the step itself.

    Raises:
        ConfigError: the file is none of those.
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
