"""Signals that stop a process, and a launcher that ended: before the first step at once, in a run after its step.

    SIGTERM     from launchers and clusters
    SIGINT      Ctrl-C; a second one interrupts the process where it is
    SIGUSR1     before a time limit, with Slurm's `--signal=USR1@300`: the job is also queued again

What launchers do with SIGTERM (DeepSpeed 0.19, torch 2.13; measured in tests/trainer/run):

    single process, srun    the process itself gets it, and exits with 75
    visinstruct train       passes it on, waits, exits with 75
    torchrun                passes it on, kills what is left after 30 s, exits with 1
    deepspeed.launcher.launch   (the second process of `deepspeed`) the same, exits with 1
    deepspeed on one host   passes nothing on and dies; its processes would train on, unseen
    deepspeed with a hostfile   closes the connections, then ends launch.py on each host with SIGTERM

So a process also looks whether its launcher is still there. A process group or a cluster's job that is
sent SIGTERM as a whole needs none of this.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from trainer.launch.terminal import log

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

EXIT_STOPPED = 75
"""Stopped by a signal; in a run, with a checkpoint saved. The same command resumes."""

LAUNCHER_VARIABLE = "VISINSTRUCT_LAUNCHER"
"""The process id of a launcher that cannot be known by its command line."""

_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 20.0
_LAUNCHERS = {
    *("deepspeed", "deepspeed.launcher.runner", "deepspeed.launcher.launch"),
    *("torchrun", "torch.distributed.run"),
}


class Stopped(BaseException):
    """Raised where the main thread is when a signal stops it. No `except Exception` swallows it."""


class StopSignal:
    """The signals that this process has received.

    Reading weights, hashing or filling a cache ends at once: `Stopped` is raised in the main thread, and a
    process that does not get to it within 20 s, since it is in one long call, is ended. In the block of `deferred` the
    signal is only noted in `received`, for the loop to end after its step.
    """

    def __init__(self) -> None:
        self.received = False
        self.requeue = False
        self._deferred = self._interrupted = False
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            for number in STOP_SIGNALS:
                signal.signal(number, self._receive)
        launchers = _launchers()
        if launchers:
            watch = threading.Thread(target=self._look, args=[launchers], daemon=True)
            watch.start()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Note signals instead of stopping at once."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        first, self.received = not self.received, True
        self.requeue |= number == signal.SIGUSR1
        if number == signal.SIGINT:
            if self._interrupted or (first and not self._deferred):
                raise KeyboardInterrupt
            self._interrupted = True
            log("stopping after this step; Ctrl-C again ends without saving")
        if first and not self._deferred:
            limit = threading.Timer(_PATIENCE_SECONDS, os._exit, [EXIT_STOPPED])
            limit.daemon = True
            limit.start()
            raise Stopped

    def _look(self, launchers: Sequence[int]) -> None:
        while not self.received:
            if _ancestors(len(launchers)) != launchers:
                os.kill(os.getpid(), signal.SIGTERM)
                return
            threading.Event().wait(_LOOK_SECONDS)


def queue_again(variables: Mapping[str, str]) -> str:
    """Have Slurm queue this process's job again; returns a line to log."""
    job = variables.get("SLURM_JOB_ID")
    if job is None:
        return "stopped by SIGUSR1, but this is no job of Slurm that could be queued again"
    command = ["scontrol", "requeue", job]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"`{' '.join(command)}` failed: {error}; submit the job again yourself"
    if ended.returncode:
        return (
            f"`{' '.join(command)}` failed: {ended.stderr.strip()}; submit the job again yourself"
        )
    return f"job {job} is queued again"


def _launchers() -> list[int]:
    """The processes above this one that are launchers, the nearest first."""
    above = _ancestors(2)
    if above[:1] == [int(os.environ.get(LAUNCHER_VARIABLE, "0"))]:
        return above[:1]
    for number, process in enumerate(above):
        arguments = _read(f"/proc/{process}/cmdline").split("\0")
        if _LAUNCHERS.isdisjoint(argument.rpartition("/")[2] for argument in arguments):
            return above[:number]
    return above


def _ancestors(count: int) -> list[int]:
    found: list[int] = []
    process = os.getppid()
    while len(found) < count and process > 0:
        found.append(process)
        _, _, after_name = _read(f"/proc/{process}/stat").rpartition(")")
        process = int(after_name.split()[1]) if after_name else 0
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
