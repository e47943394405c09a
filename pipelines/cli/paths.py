"""Paths that users give on the command line."""

import os


def absolute(path: str) -> str:
    """Return the same file or folder for workers that run elsewhere; URLs of stores stay."""
    return path if "://" in path else os.path.abspath(path)
