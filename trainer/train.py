"""Training: `deepspeed --module trainer.train CONFIG [key=value ...]`, or torchrun, srun, or plain python.

Every process runs this. It reads the configuration, joins the others, and hands over to
`trainer.session`.

Exit status: 0 done; 2 a mistake that the message names; 75 stopped by SIGTERM with a checkpoint saved,
start the same command again; 76 another process is gone; 130 interrupted; 1 a mistake of this program.
`torchrun` exits with 1 whatever its processes do, `deepspeed` with the status of the first that ended.
"""

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

import torch

from datagen.errors import UserError
from trainer.config.load import load_config
from trainer.config.run import RunConfig
from trainer.distributed import (
    World,
    choose_device,
    is_lost_peer,
    open_store,
    read_launch,
    set_variables,
)
from trainer.stop import StopSignal
from trainer.tell import tell
from trainer.watchdog import Watchdog

EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130


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
    stop = StopSignal()
    speaks = True
    watchdog: Watchdog | None = None
    try:
        launch = read_launch(os.environ)
        speaks = launch.local_rank == 0  # the processes of a host read the same files
        config = load_config(parsed.config, parsed.overrides)
        world = World(launch, choose_device(config.device, launch))
        set_variables(launch, world.device)  # before deepspeed is imported, which reads them
        watchdog = _join(world, config)
        speaks = world.is_first  # and says what failed elsewhere
        status = _work(config, world, parsed, stop)
        watchdog.stop()
        _leave()
        return status
    except (Exception, KeyboardInterrupt) as error:
        status = _failed(error, speaks, watchdog)
    if watchdog is not None and launch.world_size > 1:
        # The interpreter's own end may wait for a collective that the others never join.
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(status)
    return status


def _failed(error: BaseException, speaks: bool, watchdog: Watchdog | None) -> int:
    """Say why this process fails, to the user and the other processes; returns the exit status."""
    sentence = _sentence(error)
    if sentence is None:
        if watchdog and is_lost_peer(error):
            watchdog.suspect()
        tell("".join(traceback.format_exception(error)))
    elif speaks:
        tell(f"visinstruct: {sentence}")
    if watchdog:
        watchdog.fail(sentence or f"{type(error).__name__}: {error}")
    if isinstance(error, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    return EXIT_MISTAKE if sentence else 1


def _sentence(error: BaseException) -> str | None:
    """What a user has to know of an error; None if it is a mistake of this program."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = f": {error.filename}" if error.filename else ""
        return (
            f"no space left on the disk of the run's folder or cache{place}; checkpoints are as they "
            "were: free some space and start the same command again"
        )
    return None


def _join(world: World, config: RunConfig) -> Watchdog:
    """Join the other processes, then let the watchdog look after them."""
    torch.backends.cuda.matmul.allow_tf32 = config.precision.tf32
    if world.device.type == "cuda":
        torch.cuda.set_device(world.device)
    from trainer.engine import join

    join(world)
    watchdog = Watchdog(world.rank, world.size, open_store(world), config.silence_limit)
    watchdog.start()
    return watchdog


def _work(config: RunConfig, world: World, parsed: argparse.Namespace, stop: StopSignal) -> int:
    if parsed.dry_run:
        from trainer.plan import dry_run

        return dry_run(config, world)
    from trainer.session import run_training

    return run_training(config, world, stop, parsed.replay)


def _leave() -> None:
    from trainer.engine import leave

    leave()


if __name__ == "__main__":
    sys.exit(main())
