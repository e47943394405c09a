"""The trainer's own loop, with its engine: everything that it does in a step, logging apart."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.step.clock import Clock
from benchmarks.step.report import NUM_LOSSES, steps_of
from benchmarks.step.settings import WARM_UP, Setting, Shape, in_turn, make_batches, step_data
from trainer.batches.loader import Step, load_steps
from trainer.config.run import RunConfig
from trainer.config.shipped import shipped_folder
from trainer.launch.distributed import World, read_launch, set_variables
from trainer.launch.stop import StopSignal
from trainer.model.batch import Batch
from trainer.model.model import Model, Output
from trainer.model.trained import parameter_groups, trained_parameters
from trainer.run.engine import Engine, join, leave
from trainer.run.loop import Progress, Run, train
from trainer.run.setup import Setup
from trainer.run.throughput import Meter

NEVER = 1 << 30


def run(source: str, output: str, feed: str, way: str, *arguments: str) -> dict[str, Any]:
    """One contestant.

    `feed` is `ready` for batches made before, `features` if they bring the vision encoder's states, or a
    number of loader processes that make them meanwhile. `way` is `as it is`, `compiled` if the model's parts go
    through torch.compile, or `zero0` for DeepSpeed's ZeRO stage 0.
    """
    setting = Setting.parse(*arguments)
    config, model = setting.prepare()
    if way == "compiled":
        compile_parts(model)
    deepspeed = "zero0" if way == "zero0" else "zero2"
    world = World(read_launch({}), setting.torch_device)
    set_variables(world.launch, world.device)
    join(world)
    settings = run_config(setting, setting.shapes[0], Path(output), deepspeed)
    groups = parameter_groups(model, settings.optimizer.weight_decay)
    engine = Listening(model, trained_parameters(model), groups, settings, world)

    def timed(shape: Shape, losses: list[float]) -> tuple[Clock[Step], Sequence[Batch]]:
        batches = make_batches(config, shape, setting.device)
        torch.set_num_threads(setting.threads)
        if feed == "features":
            batches = [with_features(model, batch, world.device) for batch in batches]
        engine.losses = losses
        num_steps = WARM_UP + setting.steps + 1
        steps: Iterator[Step] = in_turn([[batch] for batch in batches], num_steps)
        if feed.isdigit():
            pin = setting.device == "cuda"
            steps = load_steps(step_data(config, shape), range(num_steps), int(feed), pin=pin)
        clock = Clock(steps, WARM_UP, setting.steps, setting.torch_device)
        train_on(clock, model, engine, run_config(setting, shape, Path(output), deepspeed), world)
        return clock, batches

    found = steps_of(setting, model, Path(source), timed)
    leave()
    return found


def with_features(model: Model, batch: Batch, device: torch.device) -> Batch:
    """Return the batch as the loader makes it where the feature cache has every image."""
    assert batch.pixels is not None
    features = model.encode_pixels(batch.pixels.to(device)).half().cpu()
    cached = replace(batch, pixels=None, features=features)
    return cached.pin_memory() if device.type == "cuda" else cached


class Listening(Engine):
    """Keeps the first losses; reading them is over when the clock starts."""

    losses: list[float]

    def backward(self, batch: Any, num_targets: float) -> Output:
        output = super().backward(batch, num_targets)
        if len(self.losses) < NUM_LOSSES:
            self.losses.append(float(output.loss_sum.detach()) / num_targets)
        return output


def run_config(setting: Setting, shape: Shape, folder: Path, deepspeed: str = "zero2") -> RunConfig:
    """As in the shipped configurations, with a rate that shows in the next step's loss."""
    return RunConfig.model_validate(
        {
            "name": "step",
            "output": str(folder),
            "device": setting.device,
            "deepspeed": str(shipped_folder() / f"deepspeed/{deepspeed}.json"),
            "model": {
                "init": {"from": "random", "config": "made up by benchmarks.step.models"},
                "frozen_dtype": setting.frozen_dtype,
            },
            "data": {"dataset": "made up by benchmarks.step.samples"},
            "batch": {"global_size": shape.samples, "micro_size": shape.samples},
            "optimizer": {
                "steps": WARM_UP + setting.steps + 1,
                "learning_rate": 1e-5,
                "warmup_steps": 0,
            },
            "precision": {"compute": setting.compute},
            "validation": None,
            "checkpoint": {"every": NEVER},
            "logging": {"every": NEVER},
        }
    )


def train_on(
    clock: Clock[Step], model: Model, engine: Engine, config: RunConfig, world: World
) -> None:
    """Train on the batches of `clock`. The clock stops before the last step, after which the run saves its checkpoint."""
    absent: Any = None  # no dataset: batches come from the clock
    setup = Setup(
        model, engine, stream=absent, collator=absent, data=absent, cache=None, fingerprint={}
    )
    run = Run(
        config=config,
        world=world,
        setup=setup,
        steps=clock,
        validation=None,
        scored=None,
        metrics=None,
        skipped=(),
        meter=Meter(1.0),
        folder=Path(config.output),
        stop=StopSignal(),
    )
    train(run, Progress())


def compile_parts(model: Model) -> None:
    hf: Any = model.hf
    language = hf.language_model
    parts = [hf.vision_model.encoder, hf.qformer]
    parts += [language.encoder, language.decoder] if model.is_encoder_decoder else [language.model]
    for part in parts:
        part.compile(dynamic=False)
