"""One process of a launch: it joins the others, works, and reports why it fails.

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
from trainer.launch.stop import EXIT_STOPPED, Stopped, StopSignal, queue_again
from trainer.launch.terminal import log
from trainer.launch.watchdog import Watchdog

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Plan:
    """The work of a process, read before it joins the others.

    `connect` joins the processes of a world and returns how to leave it; `alone_connects`: a process
    without others calls it too. `silence_limit` and `watchdog_port` are the watchdog's.
    """

    device: str
    work: Callable[[World], int]
    connect: Callable[[World], Callable[[], None]]
    silence_limit: float = 50.0
    watchdog_port: int = 0
    tf32: bool = False
    alone_connects: bool = True


def run_process(read_plan: Callable[[], Plan], stop: StopSignal, what_stays: str) -> int:
    """Run one process; returns its exit status: 2 for a user's error, 1 for one of this program.

    `what_stays` says how to resume after a full disk or an interruption.
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
        speaks = world.is_first  # and reports what failed elsewhere
        status = plan.work(world)
        watchdog.stop()
        if leave is not None:
            leave()
        if world.is_first and stop.requeue and status == EXIT_STOPPED:
            log(queue_again(os.environ))
        return status
    except (Exception, KeyboardInterrupt, Stopped) as error:
        status = _failed(error, speaks, watchdog, what_stays)
        if speaks and stop.requeue and status == EXIT_STOPPED:
            log(queue_again(os.environ))
    if watchdog is not None and world_size > 1:
        # The interpreter's own end may wait for a collective that the others never join.
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(status)
    return status


def _failed(error: BaseException, speaks: bool, watchdog: Watchdog | None, what_stays: str) -> int:
    """Report why this process fails, to the user and the other processes; returns the exit status."""
    sentence = _sentence(error, what_stays)
    if sentence is None:
        if watchdog and is_lost_peer(error):
            watchdog.suspect()
        log("".join(traceback.format_exception(error)))
    elif speaks:
        log(f"visinstruct: {sentence}")
    if watchdog:
        watchdog.fail(sentence or f"{type(error).__name__}: {error}", isinstance(error, Stopped))
    if isinstance(error, Stopped):
        return EXIT_STOPPED
    if isinstance(error, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    return EXIT_ERROR if sentence else 1


def _sentence(error: BaseException, what_stays: str) -> str | None:
    """The message for a user; None if the error is one of this program."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, Stopped):
        return f"stopped by a signal; {what_stays}"
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
    watchdog = Watchdog(
        world.rank, world.size, open_store(world, plan.watchdog_port), plan.silence_limit
    )
    watchdog.start()
    return watchdog
