"""Files: what code needs of a file system, local disks, atomic writes, hashes, and the file lock.

The functions of this package take a `Files`, so that they run on local disks and, given `datagen.stores`,
on buckets.
"""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from glob import escape, glob
from pathlib import Path
from typing import BinaryIO, Protocol

from datagen.errors import OutputError

TEMPORARY_SUFFIX = ".tmp"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(path: str) -> bool:
    """Return True for a path of a store, such as `s3://bucket/folder`; a local one may hold `://` further on."""
    return _SCHEME.match(path) is not None


def temporary_name(path: str) -> str:
    """Return a new name beside `path` under which it is written before it is renamed."""
    return f"{path}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"


@contextmanager
def write_atomically(
    path: str | os.PathLike[str],
    *,
    durable: bool = False,
    temporary: str | os.PathLike[str] | None = None,
) -> Iterator[BinaryIO]:
    """Open a local file for writing that replaces `path` when the block ends well, and never otherwise.

    Readers see the old file or the whole new one. If the block raises, the temporary file is removed.

    Args:
        path: The file; missing parent folders are made.
        durable: Synchronise with the disk before the rename, so that the file survives a crash of the
            machine and not only of the process.
        temporary: The name to write under, on the same file system. By default a new one beside `path`;
            callers that hold a lock may pass a fixed one, which is written over after a kill.

    Raises:
        OSError: The file cannot be written, for example because the disk is full.

    Examples:
        >>> with write_atomically("/tmp/results.json") as file:  # doctest: +SKIP
        ...     file.write(b"{}")
    """
    path = os.fspath(path)
    temporary = temporary_name(path) if temporary is None else temporary
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(temporary, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class Files(Protocol):
    """A file system as this package needs it. Paths are strings; `/` separates their parts."""

    def __hash__(self) -> int: ...

    def open_binary(self, path: str) -> BinaryIO:
        """Open a seekable reader; raise FileNotFoundError if there is no such file."""

    def open_whole(self, path: str) -> BinaryIO:
        """Open a file that is read to its end, as `open_binary`; an object comes in one request."""

    def open_ranges(self, path: str) -> BinaryIO:
        """Open a file of which some ranges are read, as `open_binary`; of an object, no more is fetched."""

    def create(self, path: str, *, durable: bool = True) -> AbstractContextManager[BinaryIO]:
        """Open a writer whose file appears whole when the `with` block ends well, else not at all.

        `durable` files also survive a crash of the machine, not only of the process.
        """

    def exists(self, path: str) -> bool: ...

    def match(self, pattern: str) -> list[str]:
        """Return the files that a path with `*` matches, sorted; `*` stands for no `/`."""

    def beginning_with(self, start: str) -> list[str]:
        """Return the files whose paths begin with `start`, a folder and the first part of a name, sorted."""

    def state(self, path: str) -> str:
        """Return the file's size and time of last change, or an object's version, as text.

        Another text, another file.

        Raises:
            FileNotFoundError: there is no such file.
        """


class LocalFiles:
    """Local or shared POSIX file systems."""

    def open_binary(self, path: str) -> BinaryIO:
        return open(path, "rb")

    def open_whole(self, path: str) -> BinaryIO:
        return self.open_binary(path)

    def open_ranges(self, path: str) -> BinaryIO:
        return self.open_binary(path)

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    @contextmanager
    def create(self, path: str, *, durable: bool = True) -> Iterator[BinaryIO]:
        try:
            with write_atomically(path, durable=durable) as file:
                yield file
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutputError(
                    f"no space left while writing {path}; nothing was published and what is done "
                    "is kept: free some space and start the same command again"
                ) from error
            raise

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def match(self, pattern: str) -> list[str]:
        fixed, star, rest = pattern.partition("*")
        return sorted(glob(escape(fixed) + star + rest))

    def beginning_with(self, start: str) -> list[str]:
        return sorted(glob(f"{escape(start)}*"))

    def state(self, path: str) -> str:
        """Return the file's size in bytes and its time of last change in nanoseconds.

        Raises:
            IsADirectoryError: there is a folder of that name, or something else that is no file.
        """
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return f"{found.st_size} {found.st_mtime_ns}"


class HashingWriter:
    """Passes on what is written to it, hashed and counted: the file need not be read again."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.num_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.num_bytes += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self.num_bytes


def hash_file(files: Files, path: str) -> tuple[int, str]:
    """Return the number of bytes of a file and their sha256."""
    digest = hashlib.sha256()
    num_bytes = 0
    with files.open_binary(path) as file:
        while data := file.read(1 << 20):
            digest.update(data)
            num_bytes += len(data)
    return num_bytes, digest.hexdigest()


@contextmanager
def locked_file(path: str | Path, *, wait: bool = True) -> Iterator[BinaryIO]:
    """Hold the exclusive lock of a local file, which is made where it is missing; gives it, open to read and append.

    The lock is the kernel's (`flock`): that of a process that ends, also by a kill, is free at once. It binds the
    processes of one machine, and those of others where the file system passes `flock` on.

    Raises:
        BlockingIOError: another process holds it, and `wait` is false.
        OSError: the file cannot be opened.
    """
    with open(path, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file
