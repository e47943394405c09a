"""The trained set by name and count, at the paper's sizes (without memory for weights)."""

from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from transformers import InstructBlipForConditionalGeneration

from trainer.config.model import Size
from trainer.model.starts.configuration import paper_config
from trainer.model.trained import (
    count_parameters,
    is_papers,
    mark_trained,
    parameter_groups,
    trained_parameters,
)

PAPER_MILLIONS = {
    "flan_t5_xl": 187.3,
    "flan_t5_xxl": 188.8,
    "vicuna_7b": 188.8,
    "vicuna_13b": 189.6,
}


def real_size(
    size: Size, qformer_instruction: bool = True, post_layernorm: bool = True
) -> SimpleNamespace:
    with torch.device("meta"):
        hf = InstructBlipForConditionalGeneration(paper_config(size))
    mark_trained(hf, qformer_instruction, post_layernorm)
    return SimpleNamespace(hf=hf)


@pytest.mark.parametrize("size", get_args(Size))
def test_the_papers_set_has_the_papers_size_and_4_7_million_of_it_are_idle(size: Size) -> None:
    model = real_size(size)
    counts = count_parameters(model)
    assert round(counts.paper / 1e6, 1) == PAPER_MILLIONS[size]
    idle = {
        name: p.numel()
        for name, p in model.hf.named_parameters()
        if is_papers(name) and not p.requires_grad
    }
    part = "qformer.encoder.layer.11"
    assert set(idle) == {
        f"{part}.intermediate.dense.weight",
        f"{part}.intermediate.dense.bias",
        f"{part}.output.dense.weight",
        f"{part}.output.dense.bias",
        f"{part}.output.LayerNorm.weight",
        f"{part}.output.LayerNorm.bias",
    }
    assert sum(idle.values()) == counts.paper - counts.trained == 768 * 3072 * 2 + 3072 + 768 * 3
    trained = trained_parameters(model)
    assert sum(p.numel() for p in trained.values()) == counts.trained
    tops = {".".join(name.split(".")[:2]) for name in trained}
    assert tops == {
        "query_tokens",
        "qformer.embeddings",
        "qformer.encoder",
        "language_projection.weight",
        "language_projection.bias",
        "vision_model.post_layernorm",
    }


def test_without_instruction_the_set_is_blip2s() -> None:
    counts = count_parameters(real_size("flan_t5_xl", qformer_instruction=False))
    assert round(counts.trained / 1e6, 1) == 106.7


def test_post_layernorm_can_be_left_as_it_is() -> None:
    with_it, without = (
        count_parameters(real_size("flan_t5_xl", post_layernorm=flag)).trained
        for flag in (True, False)
    )
    assert with_it - without == 2 * 1408


def test_matrices_decay_and_biases_and_norms_do_not() -> None:
    model = real_size("flan_t5_xl")
    decayed, spared = parameter_groups(model, weight_decay=0.05)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.05, 0.0)
    names = {id(p): name for name, p in trained_parameters(model).items()}
    decayed_names = {names[id(p)] for p in decayed["params"]}
    spared_names = {names[id(p)] for p in spared["params"]}
    assert decayed_names | spared_names == set(names.values())
    assert not [n for n in decayed_names if n.endswith(".bias") or "norm" in n.lower()]
    assert not [n for n in spared_names if not n.endswith(".bias") and "norm" not in n.lower()]
    assert "query_tokens" in decayed_names
