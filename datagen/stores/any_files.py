"""Files on local disks and in stores: a path with `://` is one of a store."""

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import BinaryIO

from datagen.files import LocalFiles, is_url
from datagen.stores.store import StoreFiles


class AnyFiles:
    """`datagen.files.Files` for every path. Without a state of its own, so that it can be sent to workers."""

    def __init__(self) -> None:
        self._local, self.store = LocalFiles(), StoreFiles()

    def _of(self, path: str) -> LocalFiles | StoreFiles:
        return self.store if is_url(path) else self._local

    def open_binary(self, path: str) -> BinaryIO:
        return self._of(path).open_binary(path)

    def open_whole(self, path: str) -> BinaryIO:
        """Open a file that is read to its end: an object comes in one request."""
        return self._of(path).open_whole(path)

    def open_ranges(self, path: str) -> BinaryIO:
        """Open a file of which some ranges are read: of an object, no more is fetched."""
        return self._of(path).open_ranges(path)

    def create(self, path: str, *, durable: bool = True) -> AbstractContextManager[BinaryIO]:
        return self._of(path).create(path, durable=durable)

    def exists(self, path: str) -> bool:
        return self._of(path).exists(path)

    def match(self, pattern: str) -> list[str]:
        return self._of(pattern).match(pattern)

    def beginning_with(self, start: str) -> list[str]:
        return self._of(start).beginning_with(start)

    def state(self, path: str) -> str:
        return self._of(path).state(path)

    def size(self, path: str) -> int:
        """Return the size of a file in bytes; raise FileNotFoundError if there is none."""
        return self._of(path).size(path)

    def copy(self, path: str, new: str) -> None:
        """Copy an object within its store, over one that is there."""
        self.store.copy(path, new)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove the files that are there of `paths`."""
        remote = []
        for path in paths:
            if is_url(path):
                remote.append(path)
            elif os.path.exists(path):
                os.unlink(path)
        if remote:
            self.store.remove(remote)
