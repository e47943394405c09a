"""Paths that users give on the command line."""

import argparse
import os
from pathlib import Path

from datagen.files import is_url


def absolute(path: str) -> str:
    """Return the same file or folder for workers that run elsewhere; URLs of stores stay."""
    return path if is_url(path) else os.path.abspath(path)


def local_path(text: str) -> Path:
    """Return the path of a local file or folder: the type of arguments that may not be URLs.

    Raises:
        argparse.ArgumentTypeError: it is a URL of a store, or empty.
    """
    if not text:
        raise argparse.ArgumentTypeError("it is empty; give a value, or leave it out")
    if is_url(text):
        raise argparse.ArgumentTypeError(
            f"{text} lies in a store; this command needs a local folder: download or give another one"
        )
    return Path(text)
