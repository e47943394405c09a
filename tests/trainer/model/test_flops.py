"""The counted operations against torch's own counter, and the paper's sizes against a hand count."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import InstructBlipForConditionalGeneration

from trainer.config.model import ModelOptions, Size
from trainer.model.batch import Batch
from trainer.model.flops import Lengths, batch_flops, sample_flops
from trainer.model.model import Model
from trainer.model.starts.build import build_model
from trainer.model.starts.configuration import paper_config
from trainer.model.starts.tokenizers import load_tokenizers
from trainer.model.trained import mark_trained

MakeBatch = Callable[..., Batch]
SAME_LENGTH = [("what is it?", "a cat"), ("what is he?", "a dog")]


def counted(model: Model, batch: Batch) -> int:
    with FlopCounterMode(display=False) as counter:
        model(batch).loss_sum.backward()
    return counter.get_total_flops()


@pytest.mark.parametrize(
    "more",
    [{}, {"train_post_layernorm": False}, {"qformer_instruction": False}],
    ids=["all", "norm left", "no instruction"],
)
@pytest.mark.parametrize("num_frames", [1, 3])
def test_torch_counts_the_same(
    tiny_model: Path, make_batch: MakeBatch, more: dict[str, object], num_frames: int
) -> None:
    init = {"from": "instructblip", "path": str(tiny_model)}
    options = ModelOptions.model_validate({"init": init, "attention": "eager", **more})
    model, tokenizers = build_model(options, seed=0), load_tokenizers(options)
    batch = make_batch(tokenizers, SAME_LENGTH, num_frames=num_frames)
    assert batch_flops(model, batch) == pytest.approx(counted(model, batch), rel=2e-3)
    states = model.encode_pixels(batch.pixels)
    cached = replace(batch, pixels=None, features=states)
    assert batch_flops(model, cached) == pytest.approx(counted(model, cached), rel=2e-3)
    assert batch_flops(model, cached) < batch_flops(model, batch)


def test_padding_counts_for_nothing(tiny_model: Path, make_batch: MakeBatch) -> None:
    init = {"from": "instructblip", "path": str(tiny_model)}
    options = ModelOptions.model_validate({"init": init})
    model, tokenizers = build_model(options, seed=0), load_tokenizers(options)
    short, long = ("count", "two"), ("name the colour of the car", "red and blue")
    alone = [batch_flops(model, make_batch(tokenizers, [text])) for text in (short, long)]
    assert batch_flops(model, make_batch(tokenizers, [short, long])) == pytest.approx(sum(alone))


@pytest.mark.parametrize(
    ("size", "vision", "qformer", "forward", "backward"),
    [
        ("flan_t5_xl", 521, 48, 221, 222),
        ("flan_t5_xxl", 521, 48, 876, 878),
        ("vicuna_7b", 521, 48, 1044, 1047),
        ("vicuna_13b", 521, 48, 2041, 2046),
    ],
)
def test_the_papers_models_take_a_trillion_operations_and_more_a_sample(
    size: Size, vision: float, qformer: float, forward: float, backward: float
) -> None:
    """32 tokens of instruction, 16 of target, in GFLOP; the reference rounds and is not ours."""
    with torch.device("meta"):
        hf = InstructBlipForConditionalGeneration(paper_config(size))
        mark_trained(hf, qformer_instruction=True, post_layernorm=False)
        model = Model(hf, image_token=cast(int, hf.config.image_token_index))
    inputs = 64 if model.is_encoder_decoder else 80
    flops = sample_flops(model, Lengths(1, 32, inputs, 16))
    parts = [part / 1e9 for part in flops]
    assert parts == pytest.approx([vision, qformer, forward, backward], rel=0.02)
