"""Saves and loads the paper's whole trained set, beside frozen parts of hardly any size."""

import os
import time
from pathlib import Path
from typing import Any

from benchmarks.launches.whole import size
from benchmarks.step.ours import run_config
from benchmarks.step.settings import Setting, Shape, make_batches
from benchmarks.step.tokens import Lengths
from trainer.launch.distributed import World, read_launch, set_variables
from trainer.model.trained import parameter_groups, trained_parameters
from trainer.run import checkpoint
from trainer.run.engine import Engine, join, leave


def run(source: str, output: str, model_name: str) -> dict[str, Any]:
    setting = Setting(model_name, "cpu", 1, 1, "sdpa", (Shape(1, Lengths(8, 4)),))
    config, model = setting.prepare()
    world = World(read_launch({}), setting.torch_device)
    set_variables(world.launch, world.device)
    join(world)
    settings = run_config(setting, setting.shapes[0], Path(output))
    trained = trained_parameters(model)
    groups = parameter_groups(model, settings.optimizer.weight_decay)
    engine = Engine(model, trained, groups, settings, world)
    [batch, *_] = make_batches(config, setting.shapes[0], "cpu")
    engine.backward(batch, batch.num_targets)
    engine.step(1e-5)

    before = time.perf_counter()
    state = engine.read_state()
    assert state is not None
    gathered = time.perf_counter()
    saved = checkpoint.RunState(step=1, next_sample=1, replaced=0, fingerprint={}, files={})
    path = checkpoint.save(Path(output, "checkpoints"), state, saved)
    written = time.perf_counter()
    del state
    found = size(path)
    plain = plain_write(Path(output, "plain"), int(found["bytes"]))
    before_load = time.perf_counter()
    engine.write_state(checkpoint.read_tensors(path), 1)
    loaded = time.perf_counter()
    leave()
    return found | {
        "parameters": sum(parameter.numel() for parameter in trained.values()),
        "gather_seconds": gathered - before,
        "save_seconds": written - before,
        "plain_write_seconds": plain,
        "load_seconds": loaded - before_load,
    }


def plain_write(path: Path, num_bytes: int) -> float:
    """Seconds that this disk takes for as many bytes without us, fsync included."""
    chunk = os.urandom(1 << 26)
    before = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(num_bytes // len(chunk)):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - before
