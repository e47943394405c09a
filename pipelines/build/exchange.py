"""Swaps two folders in one step of the file system, so that a reader finds one or the other and never neither."""

import ctypes
import errno
import os

_CURRENT_FOLDER = -100  # AT_FDCWD of fcntl.h
_RENAME_EXCHANGE = 2  # of linux/fs.h
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


def exchange(first: str, second: str) -> bool:
    """Swap two folders of one file system; return False, with nothing done, where that cannot be done in one step.

    It is `renameat2` with `RENAME_EXCHANGE` (man 2 rename): Linux, on ext4, XFS, Btrfs, tmpfs and others.

    Raises:
        OSError: the folders cannot be renamed at all, such as one that is missing.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = (os.fsencode(first), os.fsencode(second))
    if rename(_CURRENT_FOLDER, names[0], _CURRENT_FOLDER, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), first, None, second)
