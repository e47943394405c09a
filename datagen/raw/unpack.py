"""Opens a publisher's file by its content: gzip is unpacked, what is no data file is refused.

Downloads often keep the wrong name: a gzip file under `.json`, a web page with an error, a Git LFS pointer.
"""

import gzip
import shutil
import tempfile
import zlib
from functools import lru_cache
from typing import IO, BinaryIO

from datagen.errors import RawDataError
from datagen.files import Files

HEAD_BYTES = 512

_REFUSED = (
    (b"<!doctype", "is a web page (HTML)"),
    (b"<html", "is a web page (HTML)"),
    (b"<?xml", "is XML, perhaps a server's error"),
    (b"version https://git-lfs", "is a Git LFS pointer; fetch the file itself with git lfs pull"),
    (b"pk\x03\x04", "is a zip archive; unpack it, or save it as CSV if it is an Excel workbook"),
)
"""First bytes of files that hold no rows, in lower case, with a description."""


def open_unpacked(files: Files, path: str) -> BinaryIO:
    """Open a file for reading at any place; of a gzip file, what it unpacks to.

    A gzip file is unpacked once a process, to a file in the system's temporary folder.

    Raises:
        RawDataError: The file is a web page, an archive or a pointer, or its gzip data is corrupt.
    """
    if _is_gzip(files, path):
        return open(_unpacked(files, path).name, "rb")
    return files.open_binary(path)


@lru_cache(maxsize=4_096)
def _is_gzip(files: Files, path: str) -> bool:
    with files.open_binary(path) as file:
        head = file.read(HEAD_BYTES)
    description = foreign_content(head)
    if description is not None:
        raise RawDataError(f"{path} {description}, not the publisher's file; download it again")
    return head.startswith(b"\x1f\x8b")


def foreign_content(head: bytes) -> str | None:
    """Return what a file is that begins with `head` and holds no rows, or None."""
    start = head[:HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((what for beginning, what in _REFUSED if start.startswith(beginning)), None)


@lru_cache(maxsize=16)
def _unpacked(files: Files, path: str) -> IO[bytes]:
    unpacked = tempfile.NamedTemporaryFile(prefix="visinstruct-")  # noqa: SIM115  removed when it is closed
    try:
        with files.open_binary(path) as packed, gzip.GzipFile(fileobj=packed) as content:
            shutil.copyfileobj(content, unpacked, 1 << 20)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        unpacked.close()
        raise RawDataError(
            f"{path} is a gzip file that cannot be unpacked ({error}); download it again"
        ) from None
    unpacked.flush()
    return unpacked
