"""Several runs in the processes of one launch, with arguments `CONFIG PLANS.json OUT.json`.

A plan is `{"name", "overrides", "cut": [name of an earlier plan, step] or null}`; one with a cut resumes
from what that run had saved at that step. OUT gets the losses of the steps by name.
"""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from trainer.config.load import load_config
from trainer.launch.distributed import World, read_launch, set_variables
from trainer.launch.stop import StopSignal
from trainer.run.checkpoint import checkpoints


def main(arguments: Sequence[str]) -> int:
    config, plans, out = map(Path, arguments)
    world = World(read_launch(os.environ), torch.device("cpu"))
    set_variables(world.launch, world.device)
    from trainer.run.engine import join, leave
    from trainer.run.session import run_training

    stop = StopSignal()
    join(world)
    found = {}
    for plan in json.loads(plans.read_text()):
        folder = config.parent / plan["name"]
        if plan["cut"] and world.is_first:
            cut_back(config.parent / plan["cut"][0], folder, plan["cut"][1])
        world.wait()
        run_training(load_config(config, [*plan["overrides"], f"output={folder}"]), world, stop)
        if world.is_first:
            lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
            found[plan["name"]] = [line["loss"] for line in lines if line["event"] == "step"]
    if world.is_first:
        out.write_text(json.dumps(found))
    leave()
    return 0


def cut_back(output: Path, copy: Path, step: int) -> None:
    """The run as it was when `step` was saved and it was killed in a later one."""
    shutil.copytree(output, copy, symlinks=True)
    for path in list(checkpoints(copy / "checkpoints")):
        if int(path.name[5:]) > step:
            shutil.rmtree(path)
