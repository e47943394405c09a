"""The images of a folder, and what names them in a file of tokens."""

import os
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from datagen.errors import RawDataError, Reason
from datagen.files import is_url
from datagen.media.media import IMAGE_SUFFIXES
from datagen.stores.any_files import AnyFiles

Naming = Literal["stem", "path"]
"""An image is named by its file's name without suffix, as OCR-VQA's are, or by its path below the folder."""


class Refused(NamedTuple):
    """An image that cannot be named in a file of tokens, and why."""

    path: str
    reason: Reason
    message: str


class Listing(NamedTuple):
    """The images below a folder by id, those that cannot have one, and the number of other files."""

    images: dict[str, str]
    refused: tuple[Refused, ...]
    num_others: int


def list_images(folder: str, naming: Naming, files: AnyFiles) -> Listing:
    """Return the images below a folder, in the order of their paths; links are followed, to each folder once.

    Raises:
        RawDataError: there is no such folder, or no image in it.
    """
    if not is_url(folder) and not os.path.isdir(folder):
        raise RawDataError(f"{folder}: no such folder of images")
    images: dict[str, str] = {}
    refused = []
    num_others = 0
    for path in sorted(_below(folder, files)):
        if not path.lower().endswith(IMAGE_SUFFIXES):
            num_others += 1
            continue
        image_id = PurePosixPath(path).stem if naming == "stem" else path
        if not _is_utf8(path):
            message = f"{path!r} is not UTF-8; rename it"
            refused.append(Refused(ascii(path), Reason.INVALID_ENCODING, message))
        elif image_id in images:
            message = f"{path} has the id of {images[image_id]}, which is read"
            refused.append(Refused(path, Reason.DUPLICATE_ID, message))
        else:
            images[image_id] = path
    if not images:
        raise RawDataError(
            f"{folder} has no image among {num_others:,} files; images end in {', '.join(IMAGE_SUFFIXES)}"
        )
    return Listing(images, tuple(refused), num_others)


def _below(folder: str, files: AnyFiles) -> Iterator[str]:
    """Yield the paths of all files below a folder, relative to it."""
    start = f"{folder.rstrip('/')}/"
    if is_url(folder):
        yield from (path.removeprefix(start) for path in files.store.below(folder))
        return
    seen = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        found = os.stat(parent)
        if (found.st_dev, found.st_ino) in seen:
            folders.clear()
            continue
        seen.add((found.st_dev, found.st_ino))
        folders.sort()
        for name in names:
            yield os.path.join(parent, name).removeprefix(start)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
