"""Silence for transformers while it loads and saves."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from transformers.utils import logging


@contextmanager
def quiet() -> Iterator[None]:
    """No bars and no warnings of transformers: what matters of them is our error."""
    log = cast(Any, logging)
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
