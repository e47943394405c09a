"""A plain loop over Hugging Face's model, as its documentation shows: forward with labels, backward, AdamW.

It is spared what ours does besides: its images are normalised before the clock starts, it never reads
for the loss, and in bf16 its optimizer keeps neither fp32 weights nor fp32 moments.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.step.clock import Clock
from benchmarks.step.report import NUM_LOSSES, steps_of
from benchmarks.step.settings import WARM_UP, Setting, Shape, in_turn, make_batches
from trainer.model.batch import Batch
from trainer.model.model import CLIP_MEAN, CLIP_STD
from trainer.model.trained import parameter_groups

WEIGHT_DECAY = 0.05


def run(source: str, output: str, frozen: str, *arguments: str) -> dict[str, Any]:
    """`frozen`, or `unfrozen` if gradients of all parameters are computed, most of them in vain."""
    setting = Setting.parse(*arguments)
    config, model = setting.prepare()
    hf = model.hf
    for parameter in hf.parameters():
        parameter.data = parameter.data.to(setting.dtype)
    hf.train()
    groups = parameter_groups(model, WEIGHT_DECAY)
    if frozen == "unfrozen":
        hf.requires_grad_(True)
    optimizer = torch.optim.AdamW(groups, lr=1e-5, betas=(0.9, 0.999))

    def timed(shape: Shape, losses: list[float]) -> tuple[Clock[Any], Sequence[Batch]]:
        batches = make_batches(config, shape, setting.device)
        torch.set_num_threads(setting.threads)
        inputs = [model_inputs(batch, setting.device) for batch in batches]
        num_steps = WARM_UP + setting.steps + 1
        clock = Clock(in_turn(inputs, num_steps), WARM_UP, setting.steps, setting.torch_device)
        for item in clock:
            moved = {
                name: tensor.to(
                    setting.torch_device,
                    setting.dtype if tensor.is_floating_point() else None,
                    non_blocking=True,
                )
                for name, tensor in item.items()
            }
            loss = hf(**moved).loss
            loss.backward()
            optimizer.step()
            hf.zero_grad()
            if len(losses) < NUM_LOSSES:
                losses.append(float(loss.detach()))
        return clock, batches

    return steps_of(setting, model, Path(source), timed)


def model_inputs(batch: Batch, device: str) -> dict[str, Tensor]:
    """Return the batch that Hugging Face's processor would make of the same samples."""
    assert batch.pixels is not None
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    inputs = {
        "pixel_values": (batch.pixels.float() / 255 - mean) / std,
        "qformer_input_ids": batch.qformer_ids,
        "qformer_attention_mask": batch.qformer_mask,
        "input_ids": batch.input_ids,
        "attention_mask": batch.attention_mask,
        "labels": batch.labels,
    }
    if device != "cuda":
        return inputs
    return {name: tensor.pin_memory() for name, tensor in inputs.items()}
