"""Paths that users give on the command line."""

import os

from datagen.files import is_url


def absolute(path: str) -> str:
    """Return the same file or folder for workers that run elsewhere; URLs of stores stay."""
    return path if is_url(path) else os.path.abspath(path)
