"""One run from a joined world to its last step: everything is built here, then `trainer.loop` trains."""

import fcntl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import torch
import yaml

from trainer import checkpoint
from trainer.config.run import RunConfig
from trainer.data.collate import Collator
from trainer.data.loader import StepData, load_steps
from trainer.data.stream import Stream
from trainer.distributed import World
from trainer.engine import Engine, zero_stage
from trainer.errors import ConfigError, TrainingError
from trainer.identity import made_of
from trainer.loop import Progress, Run, train
from trainer.metrics import Metrics
from trainer.model.build import build_model
from trainer.model.features import FeatureCache, open_feature_cache
from trainer.model.model import Model
from trainer.model.tokens import load_tokenizers
from trainer.model.trained import parameter_groups, trained_parameters
from trainer.replay import replay as look_again
from trainer.schedule import batch_shape
from trainer.stop import StopSignal
from trainer.throughput import Meter, measured_matmul_rate
from trainer.validate import Validation, check_criterion

PREPROCESSING = "uint8 RGB, torch antialiased bicubic to a square, CLIP mean and deviation"
EXIT_STOPPED = 75
"""Stopped by SIGTERM with a checkpoint saved: the same command goes on."""


def run_training(
    config: RunConfig, world: World, stop: StopSignal, replay: str | None = None
) -> int:
    """Train, or look at a diverged step again; returns the exit status. Collective.

    Raises:
        TrainingError: whatever the user has to mend.
    """
    started = time.perf_counter()
    folder = Path(config.output)
    with _locked(folder, world):
        return _train(config, world, folder, stop, started, replay)


def _train(
    config: RunConfig,
    world: World,
    folder: Path,
    stop: StopSignal,
    started: float,
    replay: str | None,
) -> int:
    shape = batch_shape(config.batch, world.size)
    model = build_model(config.model, config.seed)
    check_side(config, model)
    cache = _feature_cache(config, model)
    stream = Stream.open(config.data, config.seed, hash_pictures=cache is not None)
    tokenizers = load_tokenizers(config.model)
    plain = Collator(tokenizers, instruction_in_qformer=config.model.qformer_instruction)
    collator = Collator(
        tokenizers,
        instruction_in_qformer=config.model.qformer_instruction,
        feature_cache=cache,
    )
    trained = trained_parameters(model)
    now = made_of(config, stream, model, tokenizers)
    check_agreed(now, world)
    engine = Engine(
        model, trained, parameter_groups(model, config.optimizer.weight_decay), config, world
    )
    data = StepData(stream, collator, shape, world.rank, bucketing=config.data.bucketing)
    progress = Progress()
    found = world.broadcast(_find(folder, world))
    if found is not None:
        resume(engine, data, Path(found), now, world, progress)
    if replay:
        return look_again(replay, engine, stream, plain, config, world)
    steps = load_steps(
        data,
        progress.step,
        config.optimizer.steps,
        config.data.workers,
        ahead=config.data.prefetch,
        pin=world.device.type == "cuda",
    )
    validation = None
    if config.validation is not None:
        validation = Validation(stream, plain, config.validation, config.batch.micro_size, world)
        check_criterion(config.validation, validation.sources)
    metrics = None
    if world.is_first:
        (folder / "config.yaml").write_text(
            yaml.safe_dump(config.model_dump(mode="json", by_alias=True), sort_keys=False)
        )
        metrics = Metrics(
            folder, config.name, config.optimizer.steps, progress.step, config.logging
        )
        drift = stream.worst_drift()
        metrics.write("start", progress.step, **now_numbers(stream))
        metrics.say(
            f"{config.name}: steps {progress.step:,} to {config.optimizer.steps:,}, {world.size} processes, "
            f"each source within {drift.bound:.2f} samples of its share"
        )
    dtype = torch.bfloat16 if config.precision.compute == "bf16" else torch.float32
    run = Run(
        config=config,
        world=world,
        model=model,
        engine=engine,
        steps=steps,
        validation=validation,
        metrics=metrics,
        meter=Meter(measured_matmul_rate(world.device, dtype)),
        folder=folder,
        made_of=now,
        stop=stop,
        started=started,
        cache=cache,
    )
    # SIGTERM that came while the model was loading: there is nothing to save yet.
    early = progress.step < config.optimizer.steps and world.sum([stop.received]) != [0.0]
    done = not early and train(run, progress)
    if metrics is not None:
        metrics.write("end", progress.step, seconds=time.perf_counter() - started)
        if not done:
            metrics.say(
                f"stopped after step {progress.step:,}; start the same command again to go on"
            )
        metrics.close()
    return 0 if done else EXIT_STOPPED


def _feature_cache(config: RunConfig, model: Model) -> FeatureCache | None:
    if config.model.feature_cache is None:
        return None
    if zero_stage(config) == 3:
        raise ConfigError(
            "model.feature_cache does not go with ZeRO stage 3, which would have to gather the encoder on "
            "all processes whenever one of them misses a picture; take stage 1 or 2"
        )
    return open_feature_cache(
        config.model.feature_cache,
        model,
        f"{PREPROCESSING}, {config.data.image_side}",
        config.data.augmentation != "none",
    )


def resume(
    engine: Engine,
    data: StepData,
    path: Path,
    now: dict[str, object],
    world: World,
    progress: Progress,
) -> None:
    """Set engine and progress to a checkpoint.

    The optimizer's state has to exist before it can be set: one step with a rate of nothing comes first,
    on the first global batch; then everything that it could have changed is overwritten.
    """
    saved = checkpoint.read_run_state(path)
    checkpoint.check_same(saved.made_of, now, path)
    state = checkpoint.read_tensors(path)
    warm_up(engine, data, world)
    engine.write_state(state, saved.step)
    progress.step, progress.replaced, progress.best = saved.step, saved.replaced, saved.best
    if world.is_first:
        if saved.best is not None and saved.best == saved.validation:
            checkpoint.mark_best(path.parent, path)  # a kill may have come between saving and this
        print(f"going on from {path}", file=sys.stderr, flush=True)


def warm_up(engine: Engine, data: StepData, world: World) -> None:
    batches = data[0]
    if isinstance(batches, TrainingError):
        raise batches
    for batch in batches:
        engine.backward(batch.to(world.device), float("inf"))
    engine.step(0.0)


def check_side(config: RunConfig, model: Model) -> None:
    if config.data.image_side != model.image_side:
        raise ConfigError(
            f"data.image_side is {config.data.image_side}, the model sees pictures of {model.image_side} "
            f"x {model.image_side}: set data.image_side={model.image_side}"
        )


def check_agreed(now: dict[str, object], world: World) -> None:
    """Whether all processes are about to train the same: one may see other files. Collective.

    Raises:
        ConfigError: says what differs between the first process and another.
    """
    for rank, other in enumerate(world.gather(now)):
        if differing := [key for key in now if other[key] != now[key]]:
            raise ConfigError(
                f"processes 0 and {rank} would not train the same, they differ in {', '.join(differing)}: "
                "are dataset, templates and model the same files on all hosts?"
            )


def now_numbers(stream: Stream) -> dict[str, object]:
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "visinstruct": version("visinstruct"),
        "torch": torch.__version__,
        "mixture": {source: part.probability for source, part in stream.mixture.items()},
        "worst_drift": stream.worst_drift()._asdict(),
    }


def _find(folder: Path, world: World) -> str | None:
    """The newest whole checkpoint, sought by the first process; says which are damaged."""
    if not world.is_first:
        return None
    report: list[str] = []
    path = checkpoint.newest(folder / "checkpoints", report)
    for sentence in report:
        print(f"visinstruct: left aside: {sentence}", file=sys.stderr, flush=True)
    return None if path is None else str(path)


@contextmanager
def _locked(folder: Path, world: World) -> Iterator[None]:
    """The first process holds the run's folder; the lock of a killed one is free at once."""
    problem, handle = None, None
    if world.is_first:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = open(folder / "lock", "w")  # noqa: SIM115 (held while the run lasts)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = (
                f"another run is writing to {folder}; wait for it, or set output to another folder"
            )
        except OSError as error:
            problem = f"output {folder} cannot be written: {error.strerror}"
    if problem := world.broadcast(problem):
        raise ConfigError(problem)
    try:
        yield
    finally:
        if handle is not None:
            handle.close()
