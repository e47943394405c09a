import pytest

from trainer.config.load import load_config
from trainer.config.model import ModelOptions
from trainer.config.shipped import shipped_configs
from trainer.errors import ModelError
from trainer.model.trained import ParameterCounts
from trainer.run.model_plan import describe_model, memory_by_stage, outline

PAPER = {  # parameters that the paper trains, and GFLOP of a sample (reference: 32 queries, 32 + 16 tokens)
    "flan_t5_xl": ("187,", 1.0e12),
    "flan_t5_xxl": ("188,", 2.3e12),
    "vicuna_7b": ("188,", 2.7e12),
    "vicuna_13b": ("189,", 4.7e12),
}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_models_are_described_without_their_weights(name):
    config = load_config(shipped_configs()[name])
    found = dict(describe_model(config, outline(config.model), world_size=8))
    start, flops = PAPER[name]
    assert found["parameters"].startswith(start), found
    assert "*stage " in found["memory"]
    shown = float(found["arithmetic"].partition(" ")[0].replace(",", "")) * 1e9
    assert shown == pytest.approx(flops, rel=0.1)


def test_a_model_whose_name_says_nothing_is_not_guessed():
    options = ModelOptions.model_validate({"init": {"from": "instructblip", "path": "/absent"}})
    with pytest.raises(ModelError, match="no such folder: /absent"):
        outline(options)


def test_stages_divide_what_they_are_said_to_divide():
    counts = ParameterCounts(paper=110, trained=100, frozen=1_000)
    memory = memory_by_stage(counts, frozen_bytes=2_000, copy_bytes=2, world_size=10)
    assert memory == {
        0: 2_000 + 200 + 200 + 1_200,
        1: 2_000 + 200 + 200 + 120,
        2: 2_000 + 200 + 20 + 120,
        3: 200 + 20 + 20 + 120,
    }
