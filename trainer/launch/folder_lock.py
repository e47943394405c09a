"""Lock of an output folder: one run or evaluation holds it at a time, and all of its processes must see the folder."""

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from datagen.files import locked_file
from trainer.errors import TrainingError
from trainer.launch.distributed import World

LOCK = "lock"
_LOOKS, _LOOK_SECONDS = 10, 1.0
"""A network file system may show a new file a few seconds late."""


@contextmanager
def locked_folder(
    folder: Path,
    world: World,
    what: str,
    check: Callable[[], str | None] = lambda: None,
    *,
    shared: bool = True,
) -> Iterator[None]:
    """Let the first process hold the folder; the lock of a killed one is free at once. Collective.

    `check` returns, under the lock, what keeps this from being written or resumed there. `shared` is False if every
    host has a copy of its own.

    Raises:
        TrainingError: another one holds it, it cannot be written, what `check` returns, or a process of another host
            does not see it.
    """
    with ExitStack() as held:
        problem, token = None, secrets.token_hex(8).encode()
        if world.is_first:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                lock = held.enter_context(locked_file(folder / LOCK, wait=False))
                lock.truncate(0)
                lock.write(token)
                lock.flush()
                os.fsync(lock.fileno())
                problem = check()
            except BlockingIOError:
                problem = f"another {what} is writing to {folder}; wait for it, or set output to another folder"
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                problem = f"output {folder} cannot be written: {reason}"
        problem, token = world.broadcast((problem, token))
        if shared:
            problem = problem or _unseen(folder, token, world)
        if problem:
            raise TrainingError(problem)
        yield


def _unseen(folder: Path, token: bytes, world: World) -> str | None:
    """A sentence about hosts that do not see the folder of the first process. Collective."""
    sees = world.is_first or _shows(folder, token)
    hosts = world.gather((socket.gethostname(), sees))
    blind = sorted({host for host, sees in hosts if not sees})
    if not blind:
        return None
    return (
        f"output {folder} of {hosts[0][0]} is not seen on {', '.join(blind)}: several hosts need an output on a file "
        "system that they share, at the same path, since each process reads checkpoints from it"
    )


def _shows(folder: Path, token: bytes) -> bool:
    for look in range(_LOOKS):
        try:
            os.listdir(folder)  # makes a network file system ask its server
            if (folder / LOCK).read_bytes() == token:
                return True
        except OSError:
            pass
        if look < _LOOKS - 1:
            threading.Event().wait(_LOOK_SECONDS)
    return False
