"""One process of a launch: it joins the others, works, and says well why it fails.

`trainer.train` and `trainer.evaluate` are started by the same launchers and end in the same ways.
"""

import errno
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import torch

from datagen.errors import UserError
from trainer.launch.distributed import (
    World,
    choose_device,
    is_lost_peer,
    open_store,
    read_launch,
    set_variables,
)
from trainer.launch.tell import tell
from trainer.launch.watchdog import Watchdog

EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Plan:
    """What a process is to do, read before it joins the others.

    `connect` joins the processes of a world and returns how to leave it; `alone_connects`: a process
    without others calls it too.
    """

    device: str
    work: Callable[[World], int]
    connect: Callable[[World], Callable[[], None]]
    silence_limit: float = 50.0
    tf32: bool = False
    alone_connects: bool = True


def run_process(read_plan: Callable[[], Plan], what_stays: str) -> int:
    """Run one process; returns its exit status: 2 for a mistake that was told, 1 for one of ours.

    `what_stays` tells how to go on after a full disk or an interruption.
    """
    speaks = True
    watchdog: Watchdog | None = None
    world_size = 1
    try:
        launch = read_launch(os.environ)
        world_size = launch.world_size
        speaks = launch.local_rank == 0  # the processes of a host read the same files
        plan = read_plan()
        world = World(launch, choose_device(plan.device, launch))
        set_variables(launch, world.device)  # before deepspeed is imported, which reads them
        _set_device(world, plan)
        leave = None
        if plan.alone_connects or world.size > 1:
            leave = plan.connect(world)
        watchdog = _watch(world, plan)
        speaks = world.is_first  # and says what failed elsewhere
        status = plan.work(world)
        watchdog.stop()
        if leave is not None:
            leave()
        return status
    except (Exception, KeyboardInterrupt) as error:
        status = _failed(error, speaks, watchdog, what_stays)
    if watchdog is not None and world_size > 1:
        # The interpreter's own end may wait for a collective that the others never join.
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(status)
    return status


def _failed(error: BaseException, speaks: bool, watchdog: Watchdog | None, what_stays: str) -> int:
    """Say why this process fails, to the user and the other processes; returns the exit status."""
    sentence = _sentence(error, what_stays)
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


def _sentence(error: BaseException, what_stays: str) -> str | None:
    """What a user has to know of an error; None if it is a mistake of this program."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return f"interrupted; {what_stays}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = f": {error.filename}" if error.filename else ""
        return f"no space left on the disk of the run's folder or cache{place}; free some space: {what_stays}"
    return None


def _set_device(world: World, plan: Plan) -> None:
    torch.backends.cuda.matmul.allow_tf32 = plan.tf32
    if world.device.type == "cuda":
        torch.cuda.set_device(world.device)


def _watch(world: World, plan: Plan) -> Watchdog:
    watchdog = Watchdog(world.rank, world.size, open_store(world), plan.silence_limit)
    watchdog.start()
    return watchdog
