"""Imports of torch, transformers and DeepSpeed without the garbage collector.

They make over a million objects that live to the end of the process. The collector looks through them again
and again while they are made, and once more when the interpreter ends: 2 of the 7 CPU seconds of a process
that only imports them.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Switch the collector off; the interpreter's end will not collect either."""
    was_on = gc.isenabled()
    gc.disable()
    atexit.register(gc.freeze)  # what is frozen is not looked through
    try:
        yield
    finally:
        if was_on:
            gc.enable()
