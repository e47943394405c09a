"""A run's folder, written to by one run at a time."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer.errors import TrainingError
from trainer.launch.distributed import World


@contextmanager
def locked_folder(
    folder: Path, world: World, what: str, check: Callable[[], str | None] = lambda: None
) -> Iterator[None]:
    """The first process holds the folder; the lock of a killed one is free at once. Collective.

    `check` is asked there, under the lock, what stands in the way of going on.

    Raises:
        TrainingError: another one holds it, it cannot be written, or what `check` says.
    """
    problem, handle = None, None
    if world.is_first:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = open(folder / "lock", "w")  # noqa: SIM115 (held while the run lasts)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            problem = check()
        except BlockingIOError:
            problem = f"another {what} is writing to {folder}; wait for it, or set output to another folder"
        except (OSError, ValueError) as error:
            problem = (
                f"output {folder} cannot be written: {getattr(error, 'strerror', None) or error}"
            )
    if problem := world.broadcast(problem):
        if handle is not None:
            handle.close()
        raise TrainingError(problem)
    try:
        yield
    finally:
        if handle is not None:
            handle.close()
