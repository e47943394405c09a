"""Forward and gradient in bf16, with every kind of attention, against fp32 on the CPU."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.step.models import make_model, model_options, step_config
from benchmarks.step.settings import Shape, make_batches
from benchmarks.step.tokens import Lengths
from trainer.model.batch import Batch
from trainer.model.model import Model
from trainer.model.trained import trained_parameters

MODELS = ("middle", "small")  # an encoder-decoder and a decoder
SHAPE = Shape(4, Lengths(32, 16))
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 2e-2, 8e-2
"""Relative; of the gradient the norm of the difference. bf16 has 8 bits of precision."""


def run(source: str, output: str, device_name: str) -> dict[str, Any]:
    """Relative errors by model and attention.

    Raises:
        SystemExit: one is beyond its tolerance.
    """
    device = torch.device(device_name)
    found: dict[str, Any] = {}
    for name in MODELS:
        config = step_config(name)
        reference = make_model(config, name, torch.device("cpu"), model_options("float32", "eager"))
        [batch, *_] = make_batches(config, SHAPE, "cpu")
        weights = reference.state_dict()
        loss, gradient = loss_and_gradient(reference, batch)
        for attention in attentions(device):
            options = model_options("bfloat16", attention)
            model = make_model(config, name, device, options)
            model.load_state_dict(weights)
            model.bfloat16()  # as the engine does
            other_loss, other = loss_and_gradient(model, batch.to(device))
            errors = {
                "loss": abs(other_loss - loss) / abs(loss),
                "gradient": float((other - gradient).norm() / gradient.norm()),
            }
            found[f"{name} {attention}"] = errors
    Path(output, "numerics.txt").write_text(str(found))
    far = {
        key: errors
        for key, errors in found.items()
        if not (errors["loss"] <= LOSS_TOLERANCE and errors["gradient"] <= GRADIENT_TOLERANCE)
    }
    if far:
        raise SystemExit(f"bf16 is too far from fp32: {far}")
    worst = {key: max(each[key] for each in found.values()) for key in ("loss", "gradient")}
    return {"worst_loss": worst["loss"], "worst_gradient": worst["gradient"], "errors": found}


def attentions(device: torch.device) -> list[str]:
    names = ["eager", "sdpa"]
    if device.type == "cuda" and importlib.util.find_spec("flash_attn"):
        names.append("flash_attention_2")
    return names


def loss_and_gradient(model: Model, batch: Batch) -> tuple[float, Tensor]:
    """Mean loss of a token, and the trained parameters' gradients in one fp32 row on the CPU."""
    result = model(batch)
    loss = result.loss_sum / result.token_count
    loss.backward()
    trained = trained_parameters(model).values()
    gradients = [
        parameter.grad.float().cpu().flatten()
        for parameter in trained
        if parameter.grad is not None
    ]
    return float(loss.detach()), torch.cat(gradients)
