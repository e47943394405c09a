"""What a run will be, before it is: counts, memory, batches, mixture, time; and what stands in its way.

`visinstruct train CONFIG --dry-run` prints it. The model is built and one optimizer step is made with a
learning rate of nothing, so that the time and the memory are measured on this machine, not guessed.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from datagen.errors import UserError
from trainer.config.run import RunConfig
from trainer.data.order.assign import BatchShape
from trainer.data.stream import Stream
from trainer.launch.distributed import World
from trainer.model.model import Model
from trainer.model.starts.build import build_model
from trainer.model.starts.tokenizers import load_tokenizers
from trainer.model.trained import ParameterCounts, count_parameters, trained_parameters
from trainer.run import checkpoint
from trainer.run.engine import zero_stage
from trainer.run.schedule import batch_shape
from trainer.run.setup import prepare, warm_up
from trainer.run.throughput import peak_memory_bytes

GIB = 1 << 30
LIBRARIES = (
    "torch",
    "transformers",
    "deepspeed",
    "datasets",
    "pyarrow",
    "tokenizers",
    "safetensors",
)


@dataclass
class Findings:
    """Lines to print, and problems that a start would run into."""

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def say(self, name: str, text: str) -> None:
        self.lines.append(f"{name:<14} {text}")

    def attempt(self, work: Callable[[], None]) -> bool:
        """Whether it worked; a user's error becomes a problem, and the rest is still looked at."""
        try:
            work()
            return True
        except UserError as error:
            self.problems.append(str(error))
            return False


def memory_by_stage(
    counts: ParameterCounts, frozen_bytes: int, copy_bytes: int, world_size: int
) -> dict[int, float]:
    """Bytes a process needs for weights, gradients and Adam, by ZeRO stage; activations come on top.

    A trained parameter has 12 bytes of fp32 weight and moments, divided over processes from stage 1; a
    gradient of `copy_bytes`, divided from stage 2; and in bf16 a copy of 2 bytes, which stage 3 divides as
    it divides the frozen weights.
    """
    copies = counts.trained * (copy_bytes if copy_bytes < 4 else 0)
    state, gradients = 12.0 * counts.trained, float(copy_bytes * counts.trained)
    shared = 1 / world_size
    return {
        0: frozen_bytes + copies + gradients + state,
        1: frozen_bytes + copies + gradients + state * shared,
        2: frozen_bytes + copies + (gradients + state) * shared,
        3: (frozen_bytes + copies + gradients + state) * shared,
    }


def dry_run(config: RunConfig, world: World) -> int:
    """Print the plan from the first process; 0 if the run can start, else 2. Collective."""
    found = Findings()
    _describe_start(config, world, found)
    shapes: list[BatchShape] = []
    found.attempt(lambda: shapes.append(batch_shape(config.batch, world.size)))
    streams: list[Stream] = []
    if found.attempt(lambda: streams.append(Stream.open(config.data, config.seed))):
        _describe_data(config, streams[0], found)
    models: list[Model] = []
    if found.attempt(lambda: models.append(build_model(config.model, config.seed))):
        found.attempt(lambda: _describe_model(config, models[0], world, found))
    if shapes:
        _describe_batches(config, shapes[0], found)
    problems = world.gather(bool(found.problems))
    if not any(problems):
        found.attempt(lambda: _measure(config, world, found))
    if world.is_first:
        _print(found)
    return 2 if any(world.gather(bool(found.problems))) else 0


def _print(found: Findings) -> None:
    print("\n".join(found.lines))
    for problem in found.problems:
        print(f"problem: {problem}", file=sys.stderr)
    print("this run can start" if not found.problems else "this run cannot start", flush=True)


def _describe_start(config: RunConfig, world: World, found: Findings) -> None:
    launch = world.launch
    found.say("run", f"{config.name}, written to {config.output}")
    found.say(
        "launch",
        f"{launch.world_size} processes, {launch.local_world_size} on this host ({launch.launcher}), "
        f"{'gloo' if world.device.type == 'cpu' else 'nccl'}, {_device_name(world.device)}",
    )
    versions = [f"{name} {_version(name)}" for name in LIBRARIES]
    found.say("versions", ", ".join(versions))
    folder = Path(config.output)
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(existing, os.W_OK):
        found.problems.append(f"output {folder} cannot be written: no permission in {existing}")
    report: list[str] = []
    newest = checkpoint.newest(folder / "checkpoints", report)
    found.lines += [f"{'':<14} left aside: {sentence}" for sentence in report]
    if newest:
        found.say("resume", f"goes on from {newest}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def _describe_data(config: RunConfig, stream: Stream, found: Findings) -> None:
    samples = config.optimizer.steps * config.batch.global_size
    drift = stream.worst_drift()
    found.say(
        "mixture",
        f"{len(stream.mixture)} sets; each within {drift.bound:.2f} samples of its share at every step "
        f"(seen in the first {drift.prefix:,}: {drift.observed:.2f})",
    )
    found.lines.append(
        f"{'':<14} {'source':<20} {'records':>12} {'probability':>12} {'epochs':>8} {'kept back':>10}"
    )
    for source, part in stream.mixture.items():
        trained = part.size - part.reserved
        found.lines.append(
            f"{'':<14} {source:<20} {part.size:>12,} {part.probability:>12.4f} "
            f"{part.probability * samples / max(trained, 1):>8.2f} {part.reserved:>10,}"
        )


def _describe_model(config: RunConfig, model: Model, world: World, found: Findings) -> None:
    counts = count_parameters(model)
    load_tokenizers(config.model)
    found.say(
        "parameters",
        f"{counts.paper:,} in the paper's trained set, {counts.trained:,} in the optimizer (the last text "
        f"feed-forward never gets a gradient), {counts.frozen:,} frozen",
    )
    low = config.precision.compute == "bf16"
    trained = trained_parameters(model)
    frozen = sum(
        p.numel() * (2 if low else p.element_size())
        for name, p in model.hf.named_parameters()
        if name not in trained
    )
    if not low:
        frozen += 4 * counts.trained
    memory = memory_by_stage(counts, frozen, 2 if low else 4, world.size)
    stage = zero_stage(config)
    shown = [
        f"{'*' if each == stage else ''}stage {each}: {size / GIB:.2f}"
        for each, size in memory.items()
    ]
    found.say("memory", f"GiB a process without activations, {', '.join(shown)} (* this run's)")
    size = 12 * counts.trained
    free = shutil.disk_usage(_existing(Path(config.output))).free
    kept = config.checkpoint.keep + 2
    found.say(
        "disk",
        f"{size / GIB:.2f} GiB a checkpoint, {kept} at the most: {kept * size / GIB:.2f} GiB of "
        f"{free / GIB:.1f} GiB that are free",
    )
    if kept * size > free:
        found.problems.append(
            f"{config.output} has {free / GIB:.1f} GiB free, {kept} checkpoints need {kept * size / GIB:.1f}"
        )


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _describe_batches(config: RunConfig, shape: BatchShape, found: Findings) -> None:
    steps = config.optimizer.steps
    found.say(
        "batch",
        f"{shape.num_samples} samples = {shape.world_size} processes x {shape.micro_batch} x "
        f"{shape.accumulation} accumulated",
    )
    found.say("steps", f"{steps:,}, {steps * shape.num_samples:,} samples")


def _measure(config: RunConfig, world: World, found: Findings) -> None:
    """Two steps with a rate of nothing, the second one timed."""
    setup = prepare(config, world)
    if path := checkpoint.newest(Path(config.output) / "checkpoints", []):
        checkpoint.check_same(checkpoint.read_run_state(path).made_of, setup.made_of, path)
    warm_up(setup, world)
    world.wait()
    start = time.perf_counter()
    warm_up(setup, world)
    world.wait()
    seconds = time.perf_counter() - start
    hours = seconds * config.optimizer.steps / 3600
    found.say(
        "time",
        f"{seconds:.2f} s a step, measured here: {_duration(hours)} for "
        f"{config.optimizer.steps:,} steps, validation and checkpoints apart",
    )
    found.say("peak", f"{peak_memory_bytes(world.device) / GIB:.2f} GiB of memory in that step")


def _duration(hours: float) -> str:
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
