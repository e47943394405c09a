"""One process of NCCL, an optimizer step of the engine, and a checkpoint that comes back bit for bit."""

import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.step.ours import run_config
from benchmarks.step.settings import Setting, Shape, make_batches
from benchmarks.step.tokens import Lengths
from trainer.launch.distributed import World, read_launch, set_variables
from trainer.model.trained import parameter_groups, trained_parameters
from trainer.run import checkpoint
from trainer.run.engine import Engine, join, leave


def run(source: str, output: str, device: str, model_name: str) -> dict[str, Any]:
    """Seconds and bytes of a checkpoint.

    Raises:
        SystemExit: a collective or the checkpoint gave something else back.
    """
    setting = Setting(model_name, device, 1, 1, "sdpa", (Shape(2, Lengths(8, 4)),))
    config, model = setting.prepare()
    world = World(read_launch({}), setting.torch_device)
    set_variables(world.launch, world.device)
    join(world)
    numbers = [1.0, 2.5, -3.0]
    if world.sum(numbers) != numbers or world.gather("here") != ["here"]:
        raise SystemExit("a collective of one process changed its values")
    settings = run_config(setting, setting.shapes[0], Path(output))
    trained = trained_parameters(model)
    groups = parameter_groups(model, settings.optimizer.weight_decay)
    engine = Engine(model, trained, groups, settings, world)
    [batch, *_] = make_batches(config, setting.shapes[0], device)
    batch = batch.to(world.device)
    engine.backward(batch, batch.num_targets)
    engine.step(1e-5)

    before = time.perf_counter()
    state = engine.read_state()
    assert state is not None
    saved = checkpoint.RunState(step=1, next_sample=2, replaced=0, fingerprint={}, files={})
    path = checkpoint.save(Path(output, "checkpoints"), state, saved)
    written = time.perf_counter()
    engine.write_state(checkpoint.read_tensors(path), 1)
    loaded = time.perf_counter()
    again = engine.read_state()
    assert again is not None
    changed = [
        f"{name} {key}"
        for name, tensors in state.items()
        for key, tensor in tensors.items()
        if not torch.equal(tensor, again[name][key])
    ]
    leave()
    if changed:
        raise SystemExit(f"{len(changed)} tensors came back changed: {', '.join(changed[:5])}")
    return {
        "backend": "nccl" if device == "cuda" else "gloo",
        "trained": sum(parameter.numel() for parameter in trained.values()),
        "save_seconds": written - before,
        "load_seconds": loaded - written,
    }
