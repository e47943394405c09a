"""Ctrl-C stops a build even where a library swallows the exception that it raises."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_interrupted = threading.Event()


@contextmanager
def remembering_ctrl_c() -> Iterator[None]:
    """Within this context, let `check_stopped` raise once Ctrl-C was pressed."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    _interrupted.clear()
    previous = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        _interrupted.clear()


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    _interrupted.set()
    raise KeyboardInterrupt


def check_stopped() -> None:
    """Raise if Ctrl-C was pressed; call it between pieces of work.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, even if a library caught the exception then.
    """
    if _interrupted.is_set():
        raise KeyboardInterrupt
