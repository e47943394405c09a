"""Ctrl-C stops a build even where a library swallows the exception that it raises."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_asked = threading.Event()


@contextmanager
def remembering_ctrl_c() -> Iterator[None]:
    """While this lasts, `check_stopped` raises once Ctrl-C was pressed."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    _asked.clear()
    previous = signal.signal(signal.SIGINT, _ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        _asked.clear()


def _ask(signal_number: int, frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt


def check_stopped() -> None:
    """To be called between pieces of work.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, whatever became of it then.
    """
    if _asked.is_set():
        raise KeyboardInterrupt
