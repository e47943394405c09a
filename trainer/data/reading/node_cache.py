"""Files that the processes of a node share, made by the first that needs one, bounded in bytes.

A file is made under a lock and appears whole. Locks are the kernel's (`flock`): those of a process that is
killed are free at once, and what it left half-written is written over. Past the bound the files least
recently used are removed; a process that has one open can still read it.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from datagen.files import TEMPORARY_SUFFIX, locked_file, write_atomically
from trainer.errors import DataError

NUM_LOCKS = 256
FILLED_AGAIN_TO = 0.9
"""Share of a full cache that is left when room is made."""
USED_AGAIN_SECONDS = 30
"""A file's time of last use is not brought up to date more often."""
ABANDONED_SECONDS = 3_600
"""An unfinished file that nobody has written to for so long was left by a killed process."""


class NodeCache:
    """A folder of shared files of at most `max_bytes` together (or one file, if that is larger)."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._locks = folder / "locks"
        self._files = folder / "files"
        try:
            for each in (self._locks, self._files):
                each.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"the cache folder {folder} cannot be made: {error.strerror}; set data.cache_dir"
            ) from None

    def open(self, name: str, write: Callable[[BinaryIO], None]) -> BinaryIO:
        """The file `name`, made by `write` if it is not there. Others that want it wait for that.

        `write` may open files of another suffix, such as the digests of shards that it reads: files share
        locks with those of their own suffix alone. It must not open files of the same suffix, and two
        suffixes must not open each other, since each could then wait for the other.

        Raises:
            DataError: there is no space for it.
        """
        path = self._files / name
        file = _open_used(path)
        if file is not None:
            return file
        with self._lock(name):
            file = _open_used(path)
            if file is not None:
                return file
            self._make(path, write)
            file = path.open("rb")
        self._evict(path)
        return file

    def discard(self, name: str) -> None:
        """Forget a file that turned out to be damaged."""
        (self._files / name).unlink(missing_ok=True)

    def num_bytes(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size, _ in self._entries())

    def _lock(self, name: str) -> AbstractContextManager[BinaryIO]:
        number = hashlib.blake2b(name.encode(), digest_size=4).digest()
        bucket = f"{int.from_bytes(number, 'little') % NUM_LOCKS:03}{Path(name).suffix}"
        return locked_file(self._locks / bucket)

    def _make(self, path: Path, write: Callable[[BinaryIO], None]) -> None:
        temporary = path.with_suffix(TEMPORARY_SUFFIX)  # the lock allows one writer
        try:
            with write_atomically(path, temporary=temporary) as file:
                write(file)
        except OSError as error:
            if error.filename not in (None, str(temporary)):
                raise  # of a file that is read, not of the one that is written
            raise DataError(
                f"the cache {self.folder} cannot be written: {error.strerror or error}; free some "
                "space, lower data.cache_bytes, or set data.cache_dir to another disk"
            ) from error

    def _evict(self, added: Path) -> None:
        """Count what was added; past the bound, look at all files and remove the oldest."""
        with locked_file(self.folder / "total") as file:
            file.seek(0)
            counted = file.read()
            total = int(counted) if counted.isdigit() else self.num_bytes()
            total += added.stat().st_size if counted and added.exists() else 0
            if total > self.max_bytes:
                total = self._remove_oldest(added)
            file.truncate(0)
            file.write(b"%d" % total)

    def _remove_oldest(self, kept: Path) -> int:
        """Make some room, so that it is not needed again at once; returns the bytes that are left."""
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total <= self.max_bytes * FILLED_AGAIN_TO:
                break
            if path != kept:
                path.unlink(missing_ok=True)
                total -= size
        return total

    def _entries(self) -> Iterator[tuple[int, int, Path]]:
        """Time of last use, size and path of each file, but for those that are being written."""
        with os.scandir(self._files) as entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue  # another process removed it
                if entry.name.endswith(TEMPORARY_SUFFIX) and _age(status) < ABANDONED_SECONDS:
                    continue
                yield status.st_mtime_ns, status.st_size, Path(entry.path)


def _open_used(path: Path) -> BinaryIO | None:
    """Open a file that is there, and note that it was used."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    if _age(os.fstat(file.fileno())) > USED_AGAIN_SECONDS:
        os.utime(file.fileno())
    return file


def _age(status: os.stat_result) -> float:
    """Seconds since a file was written or marked as used."""
    return time.time() - status.st_mtime


def default_folder() -> Path:
    """A folder of this user's in the system's temporary one: usually a disk of the node's own.

    Raises:
        DataError: the folder is somebody else's.
    """
    folder = Path(tempfile.gettempdir()) / f"visinstruct-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise DataError(f"the cache folder {folder} is not yours; set data.cache_dir")
    return folder
