"""Files on local disks and, through fsspec, on object stores."""

import errno
import io
import os
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, BinaryIO, NoReturn, cast

from datagen.files import LocalFiles
from trainer.errors import DataError

RANGE_BLOCK_BYTES = 1 << 20


class AnyFiles:
    """`datagen.files.Files` for reading; a path with `://` goes through fsspec.

    `open_binary` fetches a remote file whole, in one request: manifests and images are read to their
    end. `open_ranges` fetches the ranges that are read: of a shard that is a footer and some row groups.
    """

    def open_binary(self, path: str) -> BinaryIO:
        if "://" not in path:
            return LocalFiles().open_binary(path)
        try:
            return io.BytesIO(_file_system(path).cat_file(path))
        except (OSError, DataError):
            raise
        except Exception as error:  # a store's own
            raise OSError(errno.EIO, " ".join(str(error).split())) from error

    def open_ranges(self, path: str) -> BinaryIO:
        """A seekable reader of parts of a file."""
        if "://" not in path:
            return LocalFiles().open_binary(path)
        options = {"block_size": RANGE_BLOCK_BYTES, "cache_type": "none"}
        return cast(BinaryIO, _file_system(path).open(path, "rb", **options))

    def size(self, path: str) -> int:
        """Bytes of a file; FileNotFoundError if there is none."""
        if "://" not in path:
            return os.stat(path).st_size
        return int(_file_system(path).info(path)["size"])

    def state(self, path: str) -> str:
        """Return the size of a file and, of a local one, its time of last change."""
        return LocalFiles().state(path) if "://" not in path else str(self.size(path))

    def exists(self, path: str) -> bool:
        if "://" not in path:
            return os.path.exists(path)
        return bool(_file_system(path).exists(path))

    def match(self, pattern: str) -> list[str]:
        """The files that a path with `*` matches, sorted."""
        if "://" not in pattern:
            return LocalFiles().match(pattern)
        file_system = _file_system(pattern)
        return sorted(file_system.unstrip_protocol(each) for each in file_system.glob(pattern))

    def create(self, path: str, *, durable: bool = True) -> AbstractContextManager[BinaryIO]:
        """The trainer writes to local disks only."""
        if "://" in path:
            raise DataError(f"{path} is not on a local disk: it can be read but not written")
        return LocalFiles().create(path, durable=durable)


def is_remote(path: str) -> bool:
    return "://" in path


def _file_system(path: str) -> Any:
    return _connect(path.partition("://")[0], os.getpid())


@lru_cache(maxsize=64)
def _connect(protocol: str, process: int) -> Any:
    """A process has connections of its own: those of its parent do not survive a fork."""
    import fsspec

    try:
        return fsspec.filesystem(protocol)
    except (ImportError, ValueError) as error:
        _refuse(protocol, error)


def _refuse(protocol: str, error: Exception) -> NoReturn:
    raise DataError(
        f"{protocol}:// cannot be read: {' '.join(str(error).split())}; install fsspec's package for it "
        "(s3fs, gcsfs, adlfs, ...) on every node"
    ) from None
