import json

import pytest
import torch

from trainer.config.load import load_config
from trainer.config.shipped import shipped_folder
from trainer.errors import CheckpointError, ConfigError
from trainer.run.engine import ZERO_KEYS, check_names, deepspeed_options, zero_stage


def config_with(folder, options, *overrides):
    path = folder / "options.json"
    path.write_text(options if isinstance(options, str) else json.dumps(options))
    nano = shipped_folder() / "nano_cpu.yaml"
    return load_config(nano, [f"deepspeed={path}", *overrides])


def test_what_this_project_decides_is_filled_in(tmp_path):
    config = config_with(tmp_path, {"zero_optimization": {"stage": 1}})
    options = deepspeed_options(config, 4)
    assert options["train_batch_size"] == config.batch.global_size
    assert options["gradient_accumulation_steps"] == 4
    assert options["gradient_clipping"] == config.optimizer.clip_gradient_norm
    assert options["bf16"] == {"enabled": False}
    assert options["zero_optimization"] == {"stage": 1}


def test_without_clipping_deepspeed_is_told_so_since_its_own_default_clips(tmp_path):
    config = config_with(tmp_path, {}, "optimizer.clip_gradient_norm=null")
    assert deepspeed_options(config, 1)["gradient_clipping"] == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_batch_size": 8}, "train_batch_size is decided by batch.global_size"),
        ({"optimizer": {"type": "Lamb"}}, "optimizer is decided by optimizer"),
        ({"zero_optimization": {"stage": 4}}, "stage is 4, not 0, 1, 2 or 3"),
        ("{", "is no JSON"),
        ("[]", "have to be objects"),
        ({"zero_optimisation": {"stage": 2}}, "did you mean 'zero_optimization'"),
        ({"zero_optimization": {"stge": 2}}, r"zero_optimization\.stge .* did you mean 'stage'"),
        (
            {"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}}},
            "offload_optimizer needs DeepSpeed's own optimizer.*remove the key",
        ),
        ({"zero_optimization": {"stage": 2, "cpu_offload": True}}, "remove the key"),
    ],
)
def test_files_that_decide_too_much_or_too_little_are_refused(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        deepspeed_options(config_with(tmp_path, options), 1)


def test_stage_0_in_bf16_and_absent_files_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="take stage 1"):
        deepspeed_options(config_with(tmp_path, {}, "precision.compute=bf16"), 1)
    config = load_config(shipped_folder() / "nano_cpu.yaml", ["deepspeed=/absent.json"])
    with pytest.raises(ConfigError, match=r"no such file: /absent\.json"):
        deepspeed_options(config, 1)


def test_a_state_of_other_parameters_is_refused_and_each_is_named():
    state = {name: {"weight": torch.zeros(2, 3)} for name in ("a", "b", "c")}
    check_names(state, {"a": (2, 3), "b": (2, 3), "c": (2, 3)})
    with pytest.raises(CheckpointError) as caught:
        check_names(state, {"a": (2, 3), "b": (4, 3), "d": (1,)})
    assert "d is missing; c is not trained here; b is [2, 3], here [4, 3]" in str(caught.value)


@pytest.mark.parametrize("stage", range(4))
def test_the_shipped_files_and_every_key_of_deepspeeds_zero_are_known(stage):
    config = load_config(
        shipped_folder() / "nano_cpu.yaml",
        [f"deepspeed={shipped_folder()}/deepspeed/zero{stage}.json"],
    )
    assert zero_stage(config) == stage
    assert {"stage3_max_live_parameters", "contiguous_gradients", "offload_param"} <= ZERO_KEYS
