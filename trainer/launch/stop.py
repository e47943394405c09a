"""SIGTERM, and a launcher that is gone: the run ends after its step, with a checkpoint.

What launchers do with SIGTERM (DeepSpeed 0.19, torch 2.13; measured in tests/trainer/run):

    single process, srun    the process itself gets it, and exits with 75
    torchrun                hands it on, kills what is left after 30 s, exits with 1
    deepspeed.launcher.launch   (the second process of `deepspeed`) the same, exits with 1
    deepspeed on one host   hands nothing on and dies; its processes would train on, unseen
    deepspeed with a hostfile   closes the connections, then ends launch.py on each host with SIGTERM

So a process also looks whether its launcher is still there. A process group or a cluster's job that is
sent SIGTERM as a whole needs none of this.
"""

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

_LOOK_SECONDS = 1.0
_LAUNCHERS = {
    *("deepspeed", "deepspeed.launcher.runner", "deepspeed.launcher.launch"),
    *("torchrun", "torch.distributed.run"),
}


class StopSignal:
    """Received by the process with SIGTERM, or when its launcher ends."""

    def __init__(self) -> None:
        self.received = False
        signal.signal(signal.SIGTERM, self._receive)
        launchers = _launchers()
        if launchers:
            watch = threading.Thread(target=self._look, args=[launchers], daemon=True)
            watch.start()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = True

    def _look(self, launchers: Sequence[int]) -> None:
        while not self.received:
            if _ancestors(len(launchers)) != launchers:
                self.received = True
            threading.Event().wait(_LOOK_SECONDS)


def _launchers() -> list[int]:
    """The processes above this one that are launchers, the nearest first."""
    above = _ancestors(2)
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
