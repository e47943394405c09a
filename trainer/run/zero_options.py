"""The JSON file of DeepSpeed's own options, checked before DeepSpeed reads it.

DeepSpeed ignores top-level keys that it does not know, so that `zero_optimisation` would train without ZeRO.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from datagen.errors import nearest
from trainer.config.run import RunConfig
from trainer.errors import ConfigError

ZERO = "zero_optimization"

OURS = {
    "train_batch_size": "batch.global_size",
    "train_micro_batch_size_per_gpu": "batch.micro_size",
    "gradient_accumulation_steps": "batch.global_size and batch.micro_size",
    "gradient_clipping": "optimizer.clip_gradient_norm",
    "optimizer": "optimizer",
    "scheduler": "optimizer",
    "bf16": "precision.compute",
    "fp16": "precision.compute",
}
"""Keys of a DeepSpeed file that this project's configuration decides, and where."""

TOP_LEVEL = frozenset(
    "activation_checkpointing aio amp autotuning bf16_optimizer_states checkpoint comet comms_logger "
    "communication_data_type compile compression_training csv_monitor curriculum_learning data_efficiency "
    "data_types dataloader_drop_last disable_allgather disable_python_gc dump_state eigenvalue elasticity "
    "expert_parallel flops_profiler gradient_allreduce_op gradient_predivide_factor hybrid_engine "
    "managed_gradient_accumulation memory_breakdown model_info nebula pipeline prescale_gradients "
    "progressive_layer_drop seq_parallel_communication_data_type sequence_parallel_size sparse_attention "
    "sparse_gradients steps_per_print tensor_parallel tensorboard timers torch_autocast "
    "use_data_before_expert_parallelism use_node_local_storage vocabulary_size wall_clock_breakdown wandb "
    f"weight_quantization zero_allow_untested_optimizer zero_force_ds_cpu_optimizer {ZERO}".split()
)
"""Other keys that DeepSpeed 0.19 knows."""


def read_options(config: RunConfig, zero_keys: Collection[str]) -> dict[str, Any]:
    """Read the file that the configuration names; `zero_keys` are those of `zero_optimization`.

    Raises:
        ConfigError: the file is missing, no JSON, has a key that nobody knows, or one that is not its to decide.
    """
    path = Path(config.deepspeed)
    try:
        options = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"deepspeed: no such file: {path}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"deepspeed: {path} is no JSON: {error}") from None
    if not isinstance(options, dict) or not isinstance(options.get(ZERO, {}), dict):
        raise ConfigError(f"deepspeed: {path}: it and its {ZERO} have to be objects of keys")
    if errors := list(_errors(options, options.get(ZERO, {}), config, zero_keys)):
        raise ConfigError(f"deepspeed: {path}: {'; '.join(errors)}")
    return options


def _errors(
    options: Mapping[str, Any],
    zero: Mapping[str, Any],
    config: RunConfig,
    zero_keys: Collection[str],
) -> Iterator[str]:
    for key in options:
        if key in OURS:
            yield f"{key} is decided by {OURS[key]}"
        elif key not in TOP_LEVEL:
            yield f"{key} is no key of DeepSpeed{nearest(key, TOP_LEVEL)}"
    for key in zero:
        if key not in zero_keys:
            yield f"{ZERO}.{key} is no key of DeepSpeed{nearest(key, zero_keys)}"
    stage = zero.get("stage", 0)
    if stage not in (0, 1, 2, 3):
        yield f"{ZERO}.stage is {stage!r}, not 0, 1, 2 or 3"
    if stage == 0 and config.precision.compute == "bf16":
        yield "ZeRO stage 0 in bf16 has no fp32 master weights here; take stage 1"
    offload = zero.get("offload_optimizer") or {}
    if zero.get("cpu_offload") or (
        isinstance(offload, dict) and offload.get("device") != "none" and offload
    ):
        yield (
            f"{ZERO}.offload_optimizer needs DeepSpeed's own optimizer, a run here has torch's AdamW, whose state is "
            "small (2.2 GB beside FlanT5-XL): remove the key. Where the frozen language model does not fit, take "
            "stage 3"
        )
