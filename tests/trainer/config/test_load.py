import textwrap
from pathlib import Path

import pytest

from trainer.config.load import load_config
from trainer.config.shipped import copy_configs, shipped_configs, shipped_folder
from trainer.errors import ConfigError

NANO = shipped_folder() / "nano_cpu.yaml"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def test_every_shipped_configuration_loads_and_opens_with_its_command_hardware_time_and_result():
    configs = shipped_configs()
    assert len(configs) == 15
    for name, path in configs.items():
        config = load_config(path)
        assert config.name == path.stem or config.name == f"finetune_{path.stem}", name
        assert Path(config.deepspeed).is_file(), name
        head = path.read_text().partition("\nname:")[0]
        for word in ("deepspeed ", "# hardware", "# time", "# result"):
            assert word in head, f"{name} does not say its {word}"


def test_the_papers_recipe_stands_in_the_four_configurations():
    sizes = {"flan_t5_xl": 192, "flan_t5_xxl": 64, "vicuna_7b": 128, "vicuna_13b": 64}
    for name, size in sizes.items():
        config = load_config(shipped_configs()[name])
        optimizer = config.optimizer
        assert config.batch.global_size == size
        assert size % (config.batch.micro_size * 16) == 0, "16 GPUs divide the batch"
        assert (optimizer.steps, optimizer.warmup_steps) == (60_000, 1_000)
        assert (optimizer.learning_rate, optimizer.start_learning_rate) == (1e-5, 1e-8)
        assert (optimizer.betas, optimizer.weight_decay) == ((0.9, 0.999), 0.05)
        assert optimizer.clip_gradient_norm is None
        assert config.validation is not None and config.validation.every == 3_000


def test_overrides_are_yaml_and_reach_into_sections():
    config = load_config(
        NANO, ["optimizer.learning_rate=1e-4", "data.mixture.rule=uniform", "validation=null"]
    )
    assert config.optimizer.learning_rate == 1e-4
    assert config.data.mixture is not None and config.data.mixture.rule == "uniform"
    assert config.validation is None


def test_all_errors_are_reported_at_once_with_the_nearest_names():
    overrides = [
        "optimizer.stepz=3",
        "data.imagside=3",
        "batch.micro_size=x",
        "nonsense",
        "seed=-1",
    ]
    with pytest.raises(ConfigError) as caught:
        load_config(NANO, overrides)
    message = str(caught.value)
    assert "optimizer.stepz: unknown key, did you mean 'steps'?" in message
    assert "data.imagside: unknown key, did you mean 'image_side'?" in message
    assert "batch.micro_size:" in message and "not 'x'" in message
    assert "'nonsense' is not key=value" in message
    assert "seed: input should be greater than or equal to 0, not -1" in message


def test_an_unknown_key_of_a_start_is_named_with_its_neighbour():
    with pytest.raises(
        ConfigError, match="num_query: unknown key, did you mean 'num_query_tokens'"
    ):
        load_config(NANO, ["model.init={from: nano, num_query: 3}"])


def test_an_unknown_start_is_refused_with_those_that_are_known():
    with pytest.raises(ConfigError, match="'instructblip', 'blip2', 'lavis', 'nano', 'random'"):
        load_config(NANO, ["model.init={from: blip3}"])


def test_a_file_extends_another_and_a_new_start_replaces_the_old_one(tmp_path):
    write(
        tmp_path,
        "base.yaml",
        NANO.read_text().replace("deepspeed/", f"{shipped_folder()}/deepspeed/"),
    )
    path = write(
        tmp_path,
        "mine.yaml",
        """
        extends: base.yaml
        name: mine
        model: {init: {from: random, size: flan_t5_xl}}
        optimizer: {steps: 500}
        """,
    )
    config = load_config(path)
    assert config.name == "mine"
    assert config.model.init.origin == "random"
    assert config.model.qformer_dropout == 0.0
    assert (config.optimizer.steps, config.optimizer.warmup_steps) == (500, 15)


def test_files_that_are_no_configuration_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_config(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="not readable YAML"):
        load_config(write(tmp_path, "broken.yaml", "a: [1"))
    with pytest.raises(ConfigError, match="holds no keys"):
        load_config(write(tmp_path, "list.yaml", "- 1"))
    write(tmp_path, "one.yaml", "extends: two.yaml")
    write(tmp_path, "two.yaml", "extends: one.yaml")
    with pytest.raises(ConfigError, match="one level is enough"):
        load_config(tmp_path / "one.yaml")


def test_options_that_contradict_each_other_are_refused():
    with pytest.raises(
        ConfigError, match=r"precision\.compute fp32 needs model\.frozen_dtype float32"
    ):
        load_config(NANO, ["model.frozen_dtype=bfloat16"])
    with pytest.raises(ConfigError, match="warmup_steps 300 leaves nothing"):
        load_config(NANO, ["optimizer.warmup_steps=300"])


def test_copies_of_shipped_configurations_load_and_nothing_of_the_users_is_overwritten(tmp_path):
    copies = copy_configs(tmp_path, ["ablations/uniform_mixture"])
    names = {str(path.relative_to(tmp_path)) for path in copies}
    assert {"ablations/uniform_mixture.yaml", "flan_t5_xl.yaml", "deepspeed/zero2.json"} <= names
    config = load_config(tmp_path / "ablations/uniform_mixture.yaml")
    assert Path(config.deepspeed).resolve() == (tmp_path / "deepspeed/zero2.json").resolve()
    (tmp_path / "flan_t5_xl.yaml").write_text("mine: true\n")
    with pytest.raises(ConfigError, match="exists and is another file"):
        copy_configs(tmp_path, ["ablations/uniform_mixture"])
    assert (tmp_path / "flan_t5_xl.yaml").read_text() == "mine: true\n"
    with pytest.raises(ConfigError, match="did you mean 'vicuna_7b'"):
        copy_configs(tmp_path, ["vicuna7b"])


def test_what_two_keys_contradict_is_said_without_the_whole_configuration() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(NANO, ["data.dataset=out", "optimizer.steps=6", "optimizer.warmup_steps=15"])
    _, sentence = str(caught.value).splitlines()
    assert sentence.strip() == "optimizer.warmup_steps 15 leaves nothing of optimizer.steps 6"
