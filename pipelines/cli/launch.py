"""Processes of a module on this machine, started together, stopped together.

Each gets its rank in the variables that `torchrun` sets. Signals that stop a launch are passed on to all of them,
and they notice if the launch itself is killed.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from datagen.errors import OptionError

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1)
_PATIENCE_SECONDS = 60.0
"""Seconds that the other processes have to report an error after one has failed, before they are ended."""


def num_processes(wanted: int | None) -> int:
    """The processes that are wanted, else one a GPU, at least one.

    Raises:
        OptionError: less than one is wanted.
    """
    if wanted is not None and wanted < 1:
        raise OptionError(f"--processes is {wanted}, give 1 or more")
    return wanted or max(num_gpus(), 1)


def launch(module: str, processes: int, arguments: Sequence[str]) -> int:
    """Run `processes` of `module` on this machine; returns the exit status of the first that failed, else 0.

    A process that a signal killed counts as 128 + its number, as in a shell.
    """
    from trainer.launch.distributed import free_port
    from trainer.launch.shadow import children_find_ours
    from trainer.launch.stop import LAUNCHER_VARIABLE

    together = {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        LAUNCHER_VARIABLE: str(os.getpid()),
    }
    with children_find_ours():
        environment = dict(os.environ)
    if not num_gpus():
        environment.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // processes, 1)))
    started: list[subprocess.Popen[bytes]] = []
    with _passing_signals(started):
        for rank in range(processes):
            ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            command = [sys.executable, "-m", module, *arguments]
            started.append(subprocess.Popen(command, env=environment | together | ranks))  # noqa: S603
        return _wait(started)


def _wait(processes: Sequence["subprocess.Popen[bytes]"]) -> int:
    """Wait for all; where one fails, the others get some time to end by themselves."""
    status, since = 0, 0.0
    while any(process.poll() is None for process in processes):
        failed = [p.returncode for p in processes if p.returncode]
        if failed and not status:
            status, since = failed[0], time.monotonic()
        if status and time.monotonic() - since > _PATIENCE_SECONDS:
            for process in processes:
                process.kill()
        threading.Event().wait(0.1)
    statuses = [process.returncode for process in processes if process.returncode]
    status = status or next(iter(statuses), 0)
    return 128 - status if status < 0 else status


@contextmanager
def _passing_signals(processes: Sequence["subprocess.Popen[bytes]"]) -> Iterator[None]:
    """Pass signals on. A terminal sends Ctrl-C to all by itself: SIGTERM means the same to a run."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(number if number == signal.SIGUSR1 else signal.SIGTERM)

    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def num_gpus() -> int:
    import torch

    return torch.cuda.device_count()
