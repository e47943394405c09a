"""What a run is made of: what must be the same for a checkpoint to be gone on from.

Absent are what changes no sample and no arithmetic but rounding: world size, micro-batch, ZeRO stage,
workers, paths, logging, and the number of checkpoints kept.
"""

import hashlib
import json

from trainer.config.run import RunConfig
from trainer.data.stream import Stream
from trainer.model.model import Model
from trainer.model.trained import trained_parameters


def made_of(config: RunConfig, stream: Stream, model: Model) -> dict[str, object]:
    """Names and values, as JSON has them."""
    optimizer = config.optimizer.model_dump(mode="json")
    parts: dict[str, object] = {
        "seed": config.seed,
        "data": stream.identity(),
        "batch.global_size": config.batch.global_size,
        "optimizer": optimizer,
        "precision.compute": config.precision.compute,
        "model": config.model.model_dump(
            mode="json", by_alias=True, exclude={"attention", "gradient_checkpointing"}
        ),
        "frozen": _fingerprint(model),
        "augmentation": config.data.augmentation,
        "image_side": config.data.image_side,
    }
    decoded: dict[str, object] = json.loads(json.dumps(parts))
    return decoded


def _fingerprint(model: Model) -> str:
    """A hash over names, shapes and a few values of every frozen tensor: another base model differs."""
    trained = trained_parameters(model)
    digest = hashlib.sha256()
    for name, parameter in sorted(model.hf.named_parameters()):
        if name in trained:
            continue
        flat = parameter.detach().flatten()
        values = flat[:: max(len(flat) // 16, 1)].float().cpu().numpy()
        digest.update(f"{name} {tuple(parameter.shape)}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
