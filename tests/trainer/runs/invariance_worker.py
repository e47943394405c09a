"""Runs one configuration several times in the processes of one launch: `CONFIG OUT.json PLAN...`."""

import json
import os
import sys
from pathlib import Path

import torch

from trainer.config.load import load_config
from trainer.config.shipped import shipped_folder
from trainer.distributed import World, read_launch, set_variables


def main() -> None:
    config_file, out, *plans = sys.argv[1:]
    world = World(read_launch(os.environ), torch.device("cpu"))
    set_variables(world.launch, world.device)
    from trainer.engine import join, leave
    from trainer.session import run_training

    join(world)
    found = {}
    for number, plan in enumerate(plans):
        wanted = dict(part.split("=") for part in plan.split())
        folder = Path(config_file).parent / f"plan-{world.size}-{number}"
        overrides = [
            f"output={folder}",
            f"batch.micro_size={wanted['micro']}",
            f"deepspeed={shipped_folder()}/deepspeed/zero{wanted['stage']}.json",
            "checkpoint.every=100",
        ]
        run_training(load_config(config_file, overrides), world)
        if world.is_first:
            lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
            found[plan] = [line["loss"] for line in lines if line["event"] == "step"]
    if world.is_first:
        Path(out).write_text(json.dumps(found))
    leave()


if __name__ == "__main__":
    main()
