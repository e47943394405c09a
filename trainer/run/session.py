"""Session of a run: it is set up or resumed, and `trainer.run.loop` trains it to the last step."""

import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch
import yaml

from trainer.batches.loader import load_steps
from trainer.config.run import RunConfig
from trainer.data.stream import Stream
from trainer.errors import ConfigError
from trainer.launch.distributed import World
from trainer.launch.folder_lock import locked_folder
from trainer.launch.stop import EXIT_STOPPED, StopSignal
from trainer.launch.stored_output import StoredOutput
from trainer.launch.terminal import log
from trainer.run import checkpoint
from trainer.run.diverged import replay as replay_step
from trainer.run.loop import Progress, Run, train
from trainer.run.metrics_log import Metrics
from trainer.run.setup import Setup, prepare, resume
from trainer.run.skipped import Skipped, covers, resumed, shown
from trainer.run.throughput import Meter, measured_matmul_rate
from trainer.run.validate import ScoreTasks, TaskScores, Validation, check_criterion


def run_training(
    config: RunConfig,
    world: World,
    stop: StopSignal,
    replay: str | None = None,
    *,
    skip: Skipped = (),
    score_tasks: ScoreTasks | None = None,
    stored: StoredOutput | None = None,
) -> int:
    """Train, or replay a diverged step; returns the exit status. Collective.

    `replay` is the path of a `diverged-step-N.json`. The steps of `skip` are not trained. `score_tasks` opens the
    tasks of `validation.tasks`; a configuration with such tasks needs it. `stored` is the local copy of an output
    in a store.

    Raises:
        TrainingError: an error of configuration, data, model or checkpoint; the message has the remedy.
    """
    started = time.perf_counter()
    folder = Path(config.output) if stored is None else stored.folder
    with locked_folder(folder, world, "run", shared=stored is None):
        setup = prepare(config, world)
        progress, skipped = _resume(setup, folder, skip, world)
        if covers(skipped, config.optimizer.steps):
            raise ConfigError(
                f"--skip-steps {shown(skipped)} includes the last step; lower optimizer.steps instead"
            )
        if replay:
            return replay_step(replay, setup, config, world)
        validation = _validation(setup, config, world)
        metrics = _metrics(setup.stream, config, folder, progress, skipped, world)
        dtype = torch.bfloat16 if config.precision.compute == "bf16" else torch.float32
        run = Run(
            config=config,
            world=world,
            setup=setup,
            steps=load_steps(
                setup.data,
                [
                    step
                    for step in range(progress.step, config.optimizer.steps)
                    if not covers(skipped, step + 1)
                ],
                config.data.workers,
                ahead=config.data.prefetch,
                pin=world.device.type == "cuda",
                timeout=config.data.timeout_minutes * 60,
            ),
            validation=validation,
            scored=_scored(setup, config, world, score_tasks),
            metrics=metrics,
            skipped=skipped,
            meter=Meter(measured_matmul_rate(world.device, dtype)),
            folder=folder,
            stop=stop,
            bring=_nothing if stored is None else stored.push,
        )
        with stop.deferred():
            done = train(run, progress)
            if metrics is not None:
                metrics.write("end", progress.step, seconds=time.perf_counter() - started)
                if not done:
                    metrics.log(
                        f"stopped after step {progress.step:,}; start the same command again to resume"
                    )
                metrics.close()
        return 0 if done else EXIT_STOPPED


def _nothing() -> None:
    """Stands for bringing a local folder to a store."""


def _resume(setup: Setup, folder: Path, skip: Skipped, world: World) -> tuple[Progress, Skipped]:
    """Return the progress of the newest intact checkpoint, or of a new run, and the steps to skip."""
    found = world.broadcast(_find(folder, world))
    if found is None:
        return Progress(), skip
    path = Path(found)
    saved, changed = resume(setup, path, world)
    skipped = resumed(saved.skipped, skip, saved.step)
    if world.is_first:
        if saved.best is not None and saved.best == saved.validation:
            checkpoint.mark_best(
                path.parent, path
            )  # if a kill came after it was saved and before it was marked
        log(f"resuming from {path}")
        if changed:
            log(f"visinstruct: {changed}")
    return Progress(saved.step, saved.replaced, saved.best), skipped


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
    stream: Stream,
    config: RunConfig,
    folder: Path,
    progress: Progress,
    skipped: Skipped,
    world: World,
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
    metrics.log(
        f"{config.name}: steps {progress.step:,} to {steps:,}, {world.size} processes, each source within "
        f"{drift.bound:.2f} samples of its share"
    )
    if skipped:
        metrics.log(f"steps {shown(skipped)} are skipped")
    if others := untaught(stream):
        metrics.log(held_out_warning(others))
    return metrics


def untaught(stream: Stream) -> list[str]:
    """The sources of a run that the dataset's own mixture, that of the held-in sets, does not have."""
    return [source for source in stream.mixture if source not in stream.manifest.mixture]


def held_out_warning(sources: Sequence[str]) -> str:
    one = len(sources) == 1
    return (
        f"WARNING: {', '.join(sources)} {'is a held-out source' if one else 'are held-out sources'}, and this run is "
        f"trained on {'it' if one else 'them'}: what it scores there is no zero-shot result, and is not to be compared "
        "with the paper's zero-shot numbers"
    )


def _find(folder: Path, world: World) -> str | None:
    """Return the newest intact checkpoint, found by the first process, which logs the others."""
    if not world.is_first:
        return None
    report: list[str] = []
    path = checkpoint.newest(folder / "checkpoints", report)
    for sentence in report:
        log(f"visinstruct: skipped: {sentence}")
    return None if path is None else str(path)
