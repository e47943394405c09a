"""The fingerprint of a run: everything that must be the same for a checkpoint to be resumed from.

Not part of it is whatever changes no sample and no arithmetic but rounding: world size, micro-batch, ZeRO stage,
workers, paths, logging, and the number of checkpoints kept. The model that a run started from is known
by its frozen weights and its tokenizers, wherever their files are now.
"""

import hashlib
import json

from transformers import PreTrainedTokenizerFast

from trainer.config.run import RunConfig
from trainer.data.stream import Stream
from trainer.model.model import Model
from trainer.model.tokens import Tokenizers
from trainer.model.trained import trained_parameters

_WITHOUT_EFFECT = {"init", "attention", "gradient_checkpointing", "feature_cache"}


def run_fingerprint(
    config: RunConfig, stream: Stream, model: Model, tokenizers: Tokenizers
) -> dict[str, object]:
    """Return the names and values that must be the same, as JSON has them."""
    optimizer = config.optimizer.model_dump(mode="json")
    parts: dict[str, object] = {
        "seed": config.seed,
        "data": stream.identity(),
        "batch.global_size": config.batch.global_size,
        "optimizer": optimizer,
        "precision.compute": config.precision.compute,
        "model": config.model.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
        "feature_cache": config.model.feature_cache is not None,
        "frozen": frozen_fingerprint(model),
        "tokenizers": [_hash(tokenizers.qformer), _hash(tokenizers.language)],
        "augmentation": config.data.augmentation,
        "image_side": config.data.image_side,
    }
    decoded: dict[str, object] = json.loads(json.dumps(parts))
    return decoded


def _hash(tokenizer: PreTrainedTokenizerFast) -> str:
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def frozen_fingerprint(model: Model) -> str:
    """Return a hash of the names, shapes and a few values of all frozen tensors; it differs by base model."""
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
