"""Training loop: steps, with logging, validation and checkpoints in between."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from datagen.errors import UserError
from trainer.batches.loader import Step
from trainer.config.run import RunConfig
from trainer.errors import CheckpointError
from trainer.launch.distributed import World
from trainer.launch.stop import StopSignal
from trainer.model.batch import IGNORED, Batch, count_targets
from trainer.model.flops import batch_flops
from trainer.run import checkpoint
from trainer.run.diverged import check_finite
from trainer.run.metrics_log import Metrics
from trainer.run.schedule import learning_rate, seed_step
from trainer.run.setup import Setup
from trainer.run.skipped import Skipped, covers
from trainer.run.throughput import Meter, peak_memory_bytes
from trainer.run.unreadable import report_replaced
from trainer.run.validate import TaskScores, Validation, controls_table, is_better, summary


@dataclass
class Progress:
    """Progress of a run.

    `replaced` counts samples that another row replaced, `best` is the validation of the best
    checkpoint so far, and `sources` holds [sum of losses, tokens] by source since the last log.
    """

    step: int = 0
    replaced: int = 0
    best: dict[str, float] | None = None
    sources: dict[str, list[float]] = field(default_factory=dict)

    def add_losses(self, source: str, loss: float, tokens: int) -> None:
        total = self.sources.setdefault(source, [0.0, 0.0])
        total[0] += loss
        total[1] += tokens


@dataclass(frozen=True)
class Run:
    """Everything that the loop uses. `metrics` is None on all ranks but 0.

    `bring` is called by the first process after each checkpoint; it brings the folder to a store.
    """

    config: RunConfig
    world: World
    setup: Setup
    steps: Iterator[Step]
    validation: Validation | None
    scored: TaskScores | None
    metrics: Metrics | None
    skipped: Skipped
    meter: Meter
    folder: Path
    stop: StopSignal
    bring: Callable[[], None] = lambda: None


def train(run: Run, progress: Progress) -> bool:
    """Train to the last step, or until a signal; return False after a signal. Both save a checkpoint."""
    options = run.config
    while progress.step < options.optimizer.steps:
        if covers(run.skipped, progress.step + 1):
            _skip(run, progress)
            continue
        loss, norm, stopped = _step(run, progress)
        progress.step += 1
        last = progress.step == options.optimizer.steps
        if progress.step % options.logging.every == 0 or last or stopped:
            _log(run, progress, loss, norm)
        validated = None
        if run.validation and (progress.step % run.validation.options.every == 0 or last):
            validated = _validate(run, progress)
        if progress.step % options.checkpoint.every == 0 or validated or last or stopped:
            _save(run, progress, validated)
        if stopped and not last:
            return False
    return True


def _skip(run: Run, progress: Progress) -> None:
    progress.step += 1
    if run.metrics is not None:
        run.metrics.write("skipped", progress.step)


def _step(run: Run, progress: Progress) -> tuple[float, float | None, bool]:
    """Run one optimizer step: mean loss per token, gradient norm, and whether a rank received a signal."""
    before = time.perf_counter()
    batches = next(run.steps)
    waited = time.perf_counter() - before
    replaced = [item for batch in batches for item in batch.replaced]
    lost = [item for item in replaced if not item.redrawn]
    tokens, num_replaced, num_lost, stopping = run.world.sum(
        [count_targets(batches), len(replaced), len(lost), run.stop.received]
    )
    progress.replaced += int(num_lost)
    if num_replaced:
        report_replaced(
            replaced,
            progress.step + 1,
            progress.replaced,
            (progress.step + 1) * run.config.batch.global_size,
            run.config.data.max_replaced_fraction,
            run.world,
            run.metrics,
        )
    outputs = []
    for micro, batch in enumerate(batches):
        seed_step(run.config.seed, progress.step, run.world.rank, micro)
        outputs.append(run.setup.engine.backward(_on_device(run, batch), tokens))
    # Here, since the GPU is still computing: nothing synchronizes with it before the next line.
    flops = sum(batch_flops(run.setup.model, batch) for batch in batches)
    norm = run.setup.engine.step(learning_rate(progress.step, run.config.optimizer))
    losses = [output.sample_loss.double().cpu() for output in outputs]
    [loss] = run.world.sum([float(torch.cat(losses).sum())])
    check_finite(run.world, run.folder, progress.step, batches, losses, loss, norm)
    for batch, part in zip(batches, losses, strict=True):
        counts = (batch.labels != IGNORED).sum(1)  # on the CPU, unlike the output's
        for source, lost, count in zip(batch.sources, part.tolist(), counts.tolist(), strict=True):
            progress.add_losses(source, lost, count)
    run.meter.add(sum(map(len, batches)), count_targets(batches), flops, waited)
    return loss / tokens, norm, stopping > 0


def _on_device(run: Run, batch: Batch) -> Batch:
    """Return the batch on the model's device; compute and store features that the cache lacks."""
    batch = batch.to(run.world.device)
    if run.setup.cache is None or batch.features is None:
        return batch
    features = run.setup.cache.complete(
        batch.image_hashes,
        batch.features,
        batch.missing,
        batch.pixels,
        run.setup.model.encode_pixels,
    )
    return replace(batch, features=features, missing=(), pixels=None)


def _log(run: Run, progress: Progress, loss: float, norm: float | None) -> None:
    """Log the loss of this step, and losses by source and rates since the last log; collective."""
    by_source: dict[str, list[float]] = {}
    for part in run.world.gather(progress.sources):
        for source, (total, tokens) in part.items():
            held = by_source.setdefault(source, [0.0, 0.0])
            held[0] += total
            held[1] += tokens
    progress.sources = {}
    rates = dict(run.meter.read())
    names = ("samples_per_s", "tokens_per_s", "mfu", "data_wait")
    summed = run.world.sum([rates[name] for name in names])
    for name, value in zip(names, summed, strict=True):
        rates[name] = value / run.world.size if name in ("mfu", "data_wait") else value
    if run.metrics is None:
        return
    rate = learning_rate(progress.step - 1, run.config.optimizer)
    run.metrics.write(
        "step",
        progress.step,
        loss=loss,
        gradient_norm=norm,
        learning_rate=rate,
        next_sample=progress.step * run.config.batch.global_size,
        replaced=progress.replaced,
        peak_memory_bytes=peak_memory_bytes(run.world.device),
        losses={source: total / tokens for source, (total, tokens) in sorted(by_source.items())},
        **rates,
    )
    run.metrics.show(progress.step, {"loss": loss, "lr": rate, "samples/s": rates["samples_per_s"]})


def _validate(run: Run, progress: Progress) -> dict[str, float]:
    assert run.validation is not None
    numbers = summary(run.validation.run(run.setup.engine))
    if run.scored is not None:
        numbers |= run.scored.run(run.setup.engine)
    if run.metrics is not None:
        run.metrics.write("validation", progress.step, **numbers)
        run.metrics.show(
            progress.step,
            {f"val {n}": numbers[n] for n in ("loss", "exact", "score") if n in numbers},
        )
        if run.validation.options.controls:
            run.metrics.log(controls_table(numbers))
    return numbers


def _save(run: Run, progress: Progress, validated: dict[str, float] | None) -> None:
    """Save, keep the best, remove the oldest; collective."""
    before = time.perf_counter()
    folder = run.folder / "checkpoints"
    best_before = progress.best
    if validated and run.validation:
        criterion = run.validation.options.criterion
        if is_better(validated, progress.best, criterion):
            progress.best = validated
    state = run.setup.engine.read_state()
    problem = None
    if state is not None and run.metrics is not None:
        described = checkpoint.RunState(
            step=progress.step,
            next_sample=progress.step * run.config.batch.global_size,
            replaced=progress.replaced,
            fingerprint=run.setup.fingerprint,
            files={},
            validation=validated,
            best=progress.best,
            skipped=run.skipped,
        )
        try:
            path = checkpoint.save(folder, state, described)
            if progress.best is not best_before:
                checkpoint.mark_best(folder, path)
            checkpoint.prune(folder, run.config.checkpoint.keep)
            seconds = time.perf_counter() - before
            run.metrics.write("checkpoint", progress.step, path=path.name, seconds=seconds)
            run.bring()
        except UserError as error:
            problem = str(error)
    problem = run.world.broadcast(problem)
    if problem:
        raise CheckpointError(problem)
