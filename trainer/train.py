"""Training: `deepspeed --module trainer.train CONFIG [key=value ...]`, or torchrun, srun, or plain python.

Every process runs this. It reads the configuration, joins the others, and hands over to
`trainer.session`.

Exit status: 0 done; 2 a mistake that the message names; 75 stopped by SIGTERM with a checkpoint saved,
start the same command again; 76 another process is gone.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

import torch

from datagen.errors import UserError
from trainer.config.load import load_config
from trainer.config.run import RunConfig
from trainer.distributed import World, choose_device, free_port, read_launch, set_variables
from trainer.watchdog import Watchdog

EXIT_MISTAKE = 2


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("trainer.train", description="tune InstructBLIP's Q-Former")
    add_arguments(parser)
    parser.add_argument("--local_rank", type=int, default=0, help=argparse.SUPPRESS)  # DeepSpeed's
    return parser.parse_intermixed_args(arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("config", help="a YAML file; `visinstruct configs` lists those that are shipped")
    add("overrides", nargs="*", metavar="key=value", help="such as optimizer.steps=100")
    add("--dry-run", action="store_true", help="check everything, print the plan, stop")
    add("--replay", metavar="FILE", help="losses of the samples of a diverged step")


def main(arguments: Sequence[str] | None = None) -> int:
    """One process of a run; returns its exit status."""
    parsed = parse(arguments)
    watchdog: Watchdog | None = None
    rank = 0
    try:
        config = load_config(parsed.config, parsed.overrides)
        launch = read_launch(os.environ)
        rank = launch.rank
        world = World(launch, choose_device(config.device, launch))
        set_variables(launch, world.device)  # before deepspeed is imported, which reads them
        watchdog = _join(world, config)
        status = _work(config, world, parsed)
        watchdog.stop()
        _leave()
        return status
    except UserError as error:
        if rank == 0 or watchdog is None:
            print(f"visinstruct: {error}", file=sys.stderr, flush=True)
        if watchdog:
            watchdog.fail(str(error))
        return EXIT_MISTAKE
    except BaseException as error:
        traceback.print_exc()
        if watchdog:
            watchdog.fail(f"{type(error).__name__}: {error}")
        raise


def _join(world: World, config: RunConfig) -> Watchdog:
    """Join the other processes, then let the watchdog look after them."""
    torch.backends.cuda.matmul.allow_tf32 = config.precision.tf32
    if world.device.type == "cuda":
        torch.cuda.set_device(world.device)
    from trainer.engine import join

    join(world)
    port = world.broadcast(free_port())
    watchdog = Watchdog(world.rank, world.size, world.launch.address, port, config.silence_limit)
    watchdog.start()
    return watchdog


def _work(config: RunConfig, world: World, parsed: argparse.Namespace) -> int:
    if parsed.dry_run:
        from trainer.plan import dry_run

        return dry_run(config, world)
    from trainer.session import run_training

    return run_training(config, world, parsed.replay)


def _leave() -> None:
    from trainer.engine import leave

    leave()


if __name__ == "__main__":
    sys.exit(main())
