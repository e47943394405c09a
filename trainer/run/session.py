"""One run from a joined world to its last step: it is set up and gone on with, then `trainer.run.loop` trains."""

import time
from importlib.metadata import version
from pathlib import Path

import torch
import yaml

from trainer.batches.loader import load_steps
from trainer.config.run import RunConfig
from trainer.data.stream import Stream
from trainer.launch.distributed import World
from trainer.launch.folder_lock import locked_folder
from trainer.launch.stop import EXIT_STOPPED, StopSignal
from trainer.launch.terminal import log
from trainer.run import checkpoint
from trainer.run.loop import Progress, Run, train
from trainer.run.metrics import Metrics
from trainer.run.replay import replay as look_again
from trainer.run.setup import Setup, prepare, resume
from trainer.run.throughput import Meter, measured_matmul_rate
from trainer.run.validate import ScoreTasks, TaskScores, Validation, check_criterion


def run_training(
    config: RunConfig,
    world: World,
    stop: StopSignal,
    replay: str | None = None,
    *,
    score_tasks: ScoreTasks | None = None,
) -> int:
    """Train, or look at a diverged step again; returns the exit status. Collective.

    `score_tasks` opens the tasks of `validation.tasks`; needed where a configuration has some.

    Raises:
        TrainingError: whatever the user has to mend.
    """
    started = time.perf_counter()
    folder = Path(config.output)
    with locked_folder(folder, world, "run"):
        setup = prepare(config, world)
        progress = _go_on(setup, folder, world)
        if replay:
            return look_again(replay, setup, config, world)
        validation = _validation(setup, config, world)
        metrics = _metrics(setup.stream, config, folder, progress, world)
        dtype = torch.bfloat16 if config.precision.compute == "bf16" else torch.float32
        run = Run(
            config=config,
            world=world,
            setup=setup,
            steps=load_steps(
                setup.data,
                progress.step,
                config.optimizer.steps,
                config.data.workers,
                ahead=config.data.prefetch,
                pin=world.device.type == "cuda",
                timeout=config.data.timeout_minutes * 60,
            ),
            validation=validation,
            scored=_scored(setup, config, world, score_tasks),
            metrics=metrics,
            meter=Meter(measured_matmul_rate(world.device, dtype)),
            folder=folder,
            stop=stop,
        )
        with stop.deferred():
            done = train(run, progress)
            if metrics is not None:
                metrics.write("end", progress.step, seconds=time.perf_counter() - started)
                if not done:
                    metrics.say(
                        f"stopped after step {progress.step:,}; start the same command again to resume"
                    )
                metrics.close()
        return 0 if done else EXIT_STOPPED


def _go_on(setup: Setup, folder: Path, world: World) -> Progress:
    """The progress of the newest whole checkpoint, or of a new run."""
    found = world.broadcast(_find(folder, world))
    if found is None:
        return Progress()
    path = Path(found)
    saved = resume(setup, path, world)
    if world.is_first:
        if saved.best is not None and saved.best == saved.validation:
            checkpoint.mark_best(path.parent, path)  # a kill may have come between saving and this
        log(f"going on from {path}")
    return Progress(saved.step, saved.replaced, saved.best)


def _validation(setup: Setup, config: RunConfig, world: World) -> Validation | None:
    if config.validation is None:
        return None
    micro = config.batch.micro_size
    validation = Validation(setup.stream, setup.collator, config.validation, micro, world)
    check_criterion(config.validation, validation.sources)
    return validation


def _scored(
    setup: Setup, config: RunConfig, world: World, score_tasks: ScoreTasks | None
) -> TaskScores | None:
    if config.validation is None or not config.validation.tasks:
        return None
    assert score_tasks is not None, "a run with validation.tasks is started with score_tasks"
    return score_tasks(
        setup.stream,
        setup.model,
        setup.collator.tokens,
        config.validation,
        config.batch.micro_size,
        world,
        setup.engine.stage,
    )


def _metrics(
    stream: Stream, config: RunConfig, folder: Path, progress: Progress, world: World
) -> Metrics | None:
    """The first process's log, which begins with what is run."""
    if not world.is_first:
        return None
    whole = config.model_dump(mode="json", by_alias=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
    steps = config.optimizer.steps
    metrics = Metrics(folder, config.name, steps, progress.step, config.logging)
    drift = stream.worst_drift()
    metrics.write(
        "start",
        progress.step,
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        visinstruct=version("visinstruct"),
        torch=torch.__version__,
        processes=world.size,
        mixture={source: part.probability for source, part in stream.mixture.items()},
        worst_drift=drift._asdict(),
    )
    metrics.say(
        f"{config.name}: steps {progress.step:,} to {steps:,}, {world.size} processes, each source within "
        f"{drift.bound:.2f} samples of its share"
    )
    return metrics


def _find(folder: Path, world: World) -> str | None:
    """The newest whole checkpoint, sought by the first process; says which are damaged."""
    if not world.is_first:
        return None
    report: list[str] = []
    path = checkpoint.newest(folder / "checkpoints", report)
    for sentence in report:
        log(f"visinstruct: left aside: {sentence}")
    return None if path is None else str(path)
