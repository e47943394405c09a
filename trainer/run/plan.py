"""The plan of a run before it starts: counts, memory, batches, mixture, time; and what keeps it from starting.

`visinstruct train CONFIG --dry-run` prints it. What is known without weights comes first, line by line. Then the model is
loaded and two optimizer steps are made with a learning rate of 0, so that time and memory are measured on this machine.
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
from datagen.files import is_url
from datagen.stores.any_files import AnyFiles
from trainer.config.run import RunConfig
from trainer.data.order.assign import BatchShape
from trainer.data.reading.node_cache import default_folder
from trainer.data.stream import Stream
from trainer.launch.distributed import World
from trainer.model.starts.architecture import model_config
from trainer.model.starts.tokenizers import load_run_tokenizers
from trainer.model.trained import count_parameters
from trainer.run import checkpoint
from trainer.run.model_plan import GIB, describe_model, outline
from trainer.run.schedule import batch_shape
from trainer.run.session import held_out_warning, untaught
from trainer.run.setup import prepare, warm_up
from trainer.run.throughput import peak_memory_bytes

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
    """Problems that a start would run into; lines are printed at once, by the first process."""

    prints: bool
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, text: str) -> None:
        if self.prints:
            print(f"{name:<14} {text}", flush=True)

    def attempt(self, work: Callable[[], None]) -> bool:
        """Run `work`; a user's error becomes a problem, and the rest is still checked."""
        try:
            work()
            return True
        except UserError as error:
            self.problems.append(str(error))
            return False


def dry_run(config: RunConfig, world: World) -> int:
    """Print the plan from the first process; 0 if the run can start, else 2. Collective."""
    found = Findings(world.is_first)
    _describe_start(config, world, found)
    shapes: list[BatchShape] = []
    found.attempt(lambda: shapes.append(batch_shape(config.batch, world.size)))
    streams: list[Stream] = []
    if found.attempt(lambda: streams.append(Stream.open(config.data, config.seed))):
        _describe_data(config, streams[0], found)
    found.attempt(lambda: _describe_model(config, world, found))
    found.attempt(lambda: _find_weights(config))
    if shapes:
        _describe_batches(config, shapes[0], found)
    problems = world.gather(bool(found.problems))
    if not any(problems):
        found.attempt(lambda: _measure(config, world, found))
    if world.is_first:
        for problem in found.problems:
            print(f"problem: {problem}", file=sys.stderr)
        print("this run can start" if not found.problems else "this run cannot start", flush=True)
    return 2 if any(world.gather(bool(found.problems))) else 0


def _describe_model(config: RunConfig, world: World, found: Findings) -> None:
    model = outline(config.model)
    for name, text in describe_model(config, model, world.size):
        found.add(name, text)
    _describe_disk(config, count_parameters(model).trained, found)


def _find_weights(config: RunConfig) -> None:
    """Find the model's small files; the weights themselves are read when steps are measured.

    Raises:
        ModelError: the folder, its configuration or a tokenizer is missing.
    """
    model_config(config.model)
    load_run_tokenizers(config.model)


def _describe_start(config: RunConfig, world: World, found: Findings) -> None:
    launch = world.launch
    found.add("run", f"{config.name}, written to {config.output}")
    found.add(
        "launch",
        f"{launch.world_size} processes, {launch.local_world_size} on this host ({launch.launcher}), "
        f"{'gloo' if world.device.type == 'cpu' else 'nccl'}, {_device_name(world.device)}",
    )
    versions = [f"{name} {_version(name)}" for name in LIBRARIES]
    found.add("versions", ", ".join(versions))
    if is_url(config.output):
        _describe_store(config.output, found)
        return
    folder = Path(config.output)
    existing = _existing(folder)
    if not os.access(existing, os.W_OK):
        found.problems.append(f"output {folder} cannot be written: no permission in {existing}")
    report: list[str] = []
    newest = checkpoint.newest(folder / "checkpoints", report)
    for sentence in report:
        found.add("", f"skipped: {sentence}")
    if newest:
        found.add("resume", f"from {newest}")


def _describe_store(output: str, found: Findings) -> None:
    """Try the store of an output, and name the newest checkpoint there."""
    files = AnyFiles()
    try:
        files.store.check_reachable(output, writes=True)
        states = files.match(f"{output.rstrip('/')}/{checkpoint.FOLDER}/*/{checkpoint.STATE}")
    except UserError as error:
        found.problems.append(str(error))
        return
    if states:
        found.add("resume", f"from {states[-1].rpartition('/')[0]}")


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
    found.add(
        "mixture",
        f"{len(stream.mixture)} sets; each within {drift.bound:.2f} samples of its share at every step "
        f"(seen in the first {drift.prefix:,}: {drift.observed:.2f})",
    )
    found.add(
        "", f"{'source':<20} {'records':>12} {'probability':>12} {'epochs':>8} {'validation':>10}"
    )
    if others := untaught(stream):
        found.add("", held_out_warning(others))
    for source, part in stream.mixture.items():
        trained = part.size - part.reserved
        found.add(
            "",
            f"{source:<20} {part.size:>12,} {part.probability:>12.4f} "
            f"{part.probability * samples / max(trained, 1):>8.2f} "
            f"{stream.num_validation_rows(source):>10,}",
        )


def _describe_disk(config: RunConfig, num_trained: int, found: Findings) -> None:
    size = 12 * num_trained
    is_local = not is_url(config.output)
    place = Path(config.output) if is_local else config.data.cache_dir or default_folder()
    free = shutil.disk_usage(_existing(place)).free
    kept = config.checkpoint.keep + 2
    found.add(
        "disk",
        f"{size / GIB:.2f} GiB a checkpoint, {kept} at the most: {kept * size / GIB:.2f} GiB of "
        f"{free / GIB:.1f} GiB that are free",
    )
    if kept * size > free:
        found.problems.append(
            f"{place} has {free / GIB:.1f} GiB free, {kept} checkpoints need {kept * size / GIB:.1f}"
        )


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _describe_batches(config: RunConfig, shape: BatchShape, found: Findings) -> None:
    steps = config.optimizer.steps
    found.add(
        "batch",
        f"{shape.num_samples} samples = {shape.world_size} processes x {shape.micro_batch} x "
        f"{shape.accumulation} accumulated",
    )
    found.add("steps", f"{steps:,}, {steps * shape.num_samples:,} samples")


def _measure(config: RunConfig, world: World, found: Findings) -> None:
    """Make two steps with a rate of 0, the second one timed."""
    setup = prepare(config, world)
    path = checkpoint.newest(Path(config.output) / "checkpoints", [])
    if path is not None:
        checkpoint.check_same(checkpoint.read_run_state(path).fingerprint, setup.fingerprint, path)
    warm_up(setup, world)
    world.wait()
    start = time.perf_counter()
    warm_up(setup, world)
    world.wait()
    seconds = time.perf_counter() - start
    hours = seconds * config.optimizer.steps / 3600
    found.add(
        "time",
        f"{seconds:.2f} s a step, measured here: {_duration(hours)} for "
        f"{config.optimizer.steps:,} steps, validation and checkpoints apart",
    )
    found.add("peak", f"{peak_memory_bytes(world.device) / GIB:.2f} GiB of memory in that step")


def _duration(hours: float) -> str:
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
