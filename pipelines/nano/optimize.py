"""One way to train every part of the nano model: AdamW, warm-up, a cosine to zero, clipping at 1."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Say = Callable[[str], None]
_REPORTS = 8


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Steps and learning rate of a part; `batch` counts rows."""

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.01
    warmup: float = 0.05
    """Share of the steps."""


def optimize(
    name: str,
    parameters: Iterable[nn.Parameter],
    recipe: Recipe,
    loss_of: Callable[[int], Tensor],
    say: Say,
) -> float:
    """Take `recipe.steps` steps on `loss_of(step)`; returns the mean loss of the last eighth."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _factor(step, recipe))
    every = max(1, recipe.steps // _REPORTS)
    start, losses = time.perf_counter(), []
    mean = math.nan
    for step in range(recipe.steps):
        loss = loss_of(step)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if (step + 1) % every == 0:
            mean, losses = sum(losses) / len(losses), []
            seconds = time.perf_counter() - start
            say(f"{name}: step {step + 1} of {recipe.steps}, loss {mean:.4f}, {seconds:.0f} s")
    return mean


def _factor(step: int, recipe: Recipe) -> float:
    warmup = max(1, round(recipe.warmup * recipe.steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, recipe.steps - warmup)))
