"""Sentences for whoever watches a run, if anybody still does."""

import sys
from contextlib import suppress


def tell(sentence: str) -> None:
    """Print on stderr. A connection that is gone, or a full disk behind it, ends no run."""
    with suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)
