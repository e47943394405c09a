"""Functions of the step: its learning rate, its division into micro-batches, and the seed of its dropout."""

import hashlib
import math

import torch

from trainer.config.run import BatchOptions, OptimizerOptions
from trainer.data.order.assign import BatchShape
from trainer.errors import ConfigError


def learning_rate(step: int, options: OptimizerOptions) -> float:
    """Return the rate of step `step`, counted from 0: linear warm-up, then a cosine evaluated at each step.

    LAVIS evaluates its cosine once in an epoch, which makes a staircase; the paper (section 2.6) says
    cosine decay, and that is what this is. The cosine would reach `end_learning_rate` itself at step
    `steps`, the first that is not made.
    """
    if step < options.warmup_steps:
        reached = step / options.warmup_steps
        return options.start_learning_rate + reached * (
            options.learning_rate - options.start_learning_rate
        )
    decay_steps = max(options.steps - options.warmup_steps, 1)
    angle = math.pi * min((step - options.warmup_steps) / decay_steps, 1.0)
    return options.end_learning_rate + 0.5 * (1 + math.cos(angle)) * (
        options.learning_rate - options.end_learning_rate
    )


def batch_shape(options: BatchOptions, world_size: int) -> BatchShape:
    """Divide a global batch among `world_size` processes.

    Raises:
        ConfigError: it cannot be divided; the message gives sizes that fit.
    """
    together = options.micro_size * world_size
    if options.global_size % together:
        fitting = [
            str(size)
            for size in range(1, options.global_size + 1)
            if options.global_size % (size * world_size) == 0
        ]
        remedy = (
            f"batch.micro_size may be {', '.join(fitting)}"
            if fitting
            else f"batch.global_size has to be a multiple of {world_size}"
        )
        raise ConfigError(
            f"batch.global_size {options.global_size} is not a multiple of batch.micro_size "
            f"{options.micro_size} x {world_size} processes; {remedy}"
        )
    return BatchShape(
        world_size=world_size,
        micro_batch=options.micro_size,
        accumulation=options.global_size // together,
    )


def seed_for(*names: object) -> int:
    """Return a 63-bit seed for these names, equal in every process and on every machine."""
    digest = hashlib.blake2b("/".join(map(str, names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seed_step(seed: int, step: int, rank: int, micro: int) -> None:
    """Seed torch before a forward, so that dropout depends on no earlier one: no generator's state is saved."""
    torch.manual_seed(seed_for("dropout", seed, step, rank, micro))
