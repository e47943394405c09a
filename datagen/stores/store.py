"""Files of a store: whole objects in one request, large ones in ranges, listings, copies; requests are repeated.

An object appears whole or not at all: it is written to a local file first, and then put in one request, or
in parts that are aborted if one fails. Where a store is a file system without that promise, it is written
under a temporary name and renamed.
"""

import io
import logging
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple, TypeVar

from datagen.errors import OutputError, StoreError, UserError
from datagen.files import temporary_name
from datagen.stores.connect import file_system
from datagen.stores.failures import (
    bucket_of,
    explained,
    is_past_end,
    is_there_already,
    is_transient,
)

PATIENCE_VARIABLE = "VISINSTRUCT_STORE_PATIENCE"
PATIENCE_SECONDS = 180
"""For how long a request is repeated while the store is busy or does not answer."""
LONGEST_WAIT_SECONDS = 20
SAID_AFTER_SECONDS = 5
ONE_PUT_BYTES = 64 << 20
RANGE_BYTES = 256 << 10
LONGEST_RANGE_BYTES = 8 << 20
THREADS = 16

_WHOLE_PUTS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "memory", "hf"})
"""Protocols whose objects appear whole; others are file systems, which rename."""
_LISTS_BY_PREFIX = frozenset({"s3", "s3a", "gs", "gcs"})
_READ_ONLY = frozenset({"hf", "http", "https", "github"})

_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class ObjectInfo(NamedTuple):
    """The size of an object in bytes, and a text that is another one when the object is."""

    size: int
    version: str


class StoreFiles:
    """`datagen.files.Files` for paths with `://`."""

    def open_binary(self, path: str) -> BinaryIO:
        """Open a seekable reader that asks for what is read: ever longer ranges if it is read in order.

        Nothing is asked before the first read, which raises what opening a local file does.
        """
        return io.BufferedReader(_RangeReader(self, path))

    def open_whole(self, path: str) -> BinaryIO:
        """Fetch an object in one request, and return it as a reader."""
        return io.BytesIO(self.read(path))

    def open_ranges(self, path: str) -> BinaryIO:
        """Open a seekable reader that asks for exactly the ranges that are read."""
        return _RangeReader(self, path, read_ahead=False)  # type: ignore[return-value]

    def read(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Return an object, or its bytes from `start` to `end`, fewer at its end.

        Raises:
            FileNotFoundError: there is no such object.
            StoreError: the store cannot be read.
        """

        def get() -> bytes:
            try:
                return bytes(file_system(path).cat_file(_inside(path), start=start, end=end))
            except Exception as error:
                if start is not None and is_past_end(error):
                    return b""
                raise

        return call(get, path, "read")

    @contextmanager
    def create(self, path: str, *, durable: bool = True) -> Iterator[BinaryIO]:
        protocol = path.partition("://")[0].lower()
        if protocol in _READ_ONLY:
            raise StoreError(f"{path} cannot be written: {protocol}:// is only read from")
        try:
            with tempfile.NamedTemporaryFile(prefix="visinstruct-") as file:
                yield file  # type: ignore[misc]
                file.flush()
                self._put(file.name, path)
        except OSError as error:
            if error.filename is None and error.errno is not None:
                raise OutputError(
                    f"{path} cannot be prepared in {tempfile.gettempdir()}: {error.strerror}; free some "
                    "space there, or set TMPDIR"
                ) from error
            raise

    def _put(self, local: str, path: str) -> None:
        size = os.stat(local).st_size
        target = path if path.partition("://")[0].lower() in _WHOLE_PUTS else temporary_name(path)

        def put() -> None:
            store = file_system(path)
            if target != path:
                store.makedirs(store._parent(_inside(path)), exist_ok=True)
            if size <= ONE_PUT_BYTES:
                with open(local, "rb") as file:
                    store.pipe_file(_inside(target), file.read())
            else:
                store.put_file(local, _inside(target))
            if target != path:
                store.mv(_inside(target), _inside(path))

        call(put, path, "written")
        if size > ONE_PUT_BYTES and (found := self.info(path).size) != size:
            raise StoreError(f"{path} has {found} bytes after {size} were written; start again")

    def create_new(self, path: str, data: bytes) -> bool:
        """Write a small object if there is none of its name; return False if there is.

        Stores that know no conditional writes write it in any case.
        """

        def put() -> bool:
            try:
                file_system(path).pipe_file(_inside(path), data, mode="create")
            except Exception as error:
                if is_there_already(error):
                    return False
                raise
            return True

        return call(put, path, "written")

    def exists(self, path: str) -> bool:
        """Return True if there is an object of this name, or any below it."""
        try:
            self._look(path)
        except FileNotFoundError:
            return False
        return True

    def info(self, path: str) -> ObjectInfo:
        """Return the size and version of an object.

        Raises:
            FileNotFoundError: there is no such object.
            IsADirectoryError: there are only objects below it.
        """
        found = self._look(path)
        if found.get("type") == "directory":
            raise IsADirectoryError(21, "a folder and no object", path)
        return _info(found)

    def state(self, path: str) -> str:
        """Return an object's size and version (its ETag, generation or time of last change) as text."""
        size, version = self.info(path)
        return f"{size} {version}"

    def size(self, path: str) -> int:
        return self.info(path).size

    def _look(self, path: str) -> dict[str, Any]:
        fresh = {"refresh": True} if path.lower().startswith("hf://") else {}  # it keeps listings
        return dict(call(lambda: file_system(path).info(_inside(path), **fresh), path, "read"))

    def match(self, pattern: str) -> list[str]:
        """Return the objects that a path with `*` matches, sorted; `*` stands for no `/`, `**` for any text."""
        folder = pattern[: pattern.index("*")].rpartition("/")[0] if "*" in pattern else pattern
        if folder == pattern:
            return [pattern] if self.exists(pattern) else []
        deep = "*" in pattern[len(folder) + 1 :].rpartition("/")[0] or "**" in pattern
        listed = self.below(folder) if deep else self._children(folder)
        wanted = re.compile(_expression(pattern))
        return sorted(path for path in listed if wanted.fullmatch(path))

    def beginning_with(self, start: str) -> list[str]:
        """Return the objects whose paths begin with `start`, a folder and the first part of a name, sorted."""
        folder, _, name = start.rpartition("/")
        if start.partition("://")[0].lower() not in _LISTS_BY_PREFIX:
            return [path for path in self._children(folder) if path.startswith(start)]

        def find() -> list[Any]:
            store = file_system(folder)
            return list(store.find(_inside(folder), prefix=name, detail=True).values())

        return list(self._named(folder, call(find, folder, "listed")))

    def below(self, folder: str) -> dict[str, ObjectInfo]:
        """Return all objects below a folder, by path."""
        folder = folder.rstrip("/")
        if folder.endswith(":/"):
            raise StoreError(f"{folder}/ names no bucket")

        def find() -> Mapping[str, Any]:
            try:
                return dict(file_system(folder).find(_inside(folder) + "/", detail=True))
            except FileNotFoundError as error:
                missing = explained(error, folder, "listed")
                if isinstance(missing, StoreError):
                    raise
                return {}

        return self._named(folder, call(find, folder, "listed").values())

    def _children(self, folder: str) -> dict[str, ObjectInfo]:
        return self._named(folder, self._listed(folder))

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders directly in a folder, sorted."""
        found = self._listed(folder)
        names = (each["name"].rstrip("/") for each in found if each.get("type") == "directory")
        return sorted(name.rpartition("/")[2] for name in names)

    def _listed(self, folder: str) -> list[Any]:
        def ls() -> list[Any]:
            try:
                return list(file_system(folder).ls(_inside(folder), detail=True))
            except FileNotFoundError as error:
                if isinstance(explained(error, folder, "listed"), StoreError):
                    raise
                return []

        return call(ls, folder, "listed")

    def _named(self, folder: str, listed: Iterable[Any]) -> dict[str, ObjectInfo]:
        base = file_system(folder)._strip_protocol(folder).rstrip("/")
        return {
            folder + each["name"][len(base) :]: _info(each)
            for each in sorted(listed, key=lambda each: each["name"])
            if each.get("type") != "directory" and not each["name"].endswith("/")
        }

    def copy(self, path: str, new: str) -> None:
        """Copy an object within its store, over one that is there."""
        call(lambda: file_system(path).cp_file(_inside(path), _inside(new)), new, "written")

    def copy_all(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Copy objects, several at once."""
        with ThreadPoolExecutor(THREADS) as threads:
            for _ in threads.map(lambda pair: self.copy(*pair), list(pairs)):
                pass

    def remove(self, paths: Iterable[str]) -> None:
        """Remove the objects that are there of `paths`."""

        def remove_one(path: str) -> None:
            def rm() -> None:
                try:
                    file_system(path).rm_file(_inside(path))
                except FileNotFoundError as error:
                    if isinstance(explained(error, path, "removed"), StoreError):
                        raise

            call(rm, path, "removed")

        paths = list(paths)
        if len(paths) == 1:
            return remove_one(paths[0])
        with ThreadPoolExecutor(THREADS) as threads:
            for _ in threads.map(remove_one, paths):
                pass
        return None

    def check_reachable(self, path: str, *, writes: bool) -> None:
        """Try a store before anything depends on it: one listing, and one small object that is removed again.

        Raises:
            StoreError: the store, the bucket or the rights are missing; says which, and what to do.
            OptionError: the package for this protocol is not installed.
        """
        store = file_system(path)  # the error of a missing package is not one of the store
        with patience(0):
            if not _inside(path).strip("/"):
                raise StoreError(f"{path} names no bucket")

            def look() -> None:
                try:
                    store.info(_inside(path))
                except FileNotFoundError as error:
                    if isinstance(explained(error, path, "read"), StoreError):
                        raise
                    if "/" not in _inside(path).strip("/"):
                        raise StoreError(
                            f"{bucket_of(path)} does not exist; create it, or correct its name"
                        ) from None

            call(look, path, "read")
            if writes:
                probe = temporary_name(f"{path.rstrip('/')}.probe")
                with self.create(probe) as file:
                    file.write(b"")
                self.remove([probe])


class _RangeReader(io.RawIOBase):
    """Reads an object in ranges; of one that is read in order, ever longer ones ahead."""

    def __init__(self, store: StoreFiles, path: str, *, read_ahead: bool = True) -> None:
        self._store, self._path = store, path
        self._read_ahead = read_ahead
        self._next_bytes = RANGE_BYTES
        self._position = 0
        self._start, self._data = 0, b""
        self._size: int | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            offset += self.size
        elif whence == os.SEEK_CUR:
            offset += self._position
        if offset < 0:
            raise OSError(22, "a place before the start", self._path)
        self._position = offset
        return offset

    @property
    def size(self) -> int:
        if self._size is None:
            self._size = self._store.info(self._path).size
        return self._size

    def readinto(self, buffer: Any) -> int:
        wanted = len(buffer)
        if not wanted or (self._size is not None and self._position >= self._size):
            return 0
        at = self._position - self._start
        if not 0 <= at < len(self._data):
            self._fetch(wanted)
            at = 0
        part = self._data[at : at + wanted]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def readall(self) -> bytes:
        if self._position == 0 and not self._data and self._size is None:
            self._data = self._store.read(self._path)
            self._size = self._position = len(self._data)
            return self._data
        rest = self.read(max(self.size - self._position, 0))
        return rest or b""

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return self.readall()
        parts = []
        while size > 0 and (part := super().read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _fetch(self, wanted: int) -> None:
        in_order = self._data and self._position == self._start + len(self._data)
        if self._read_ahead:
            self._next_bytes = (
                min(2 * self._next_bytes, LONGEST_RANGE_BYTES) if in_order else RANGE_BYTES
            )
            wanted = max(wanted, self._next_bytes)
        start = self._position
        self._data = self._store.read(self._path, start, start + wanted)
        self._start = start
        if len(self._data) < wanted:
            self._size = start + len(self._data) if self._data or start == 0 else self._size


_patience: list[float] = []


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Within this context, repeat requests for `seconds` at most."""
    _patience.append(seconds)
    try:
        yield
    finally:
        _patience.pop()


def _patience_seconds() -> float:
    if _patience:
        return _patience[-1]
    return float(os.environ.get(PATIENCE_VARIABLE, PATIENCE_SECONDS))


def call(request: Callable[[], Result], path: str, doing: str) -> Result:
    """Return what a request to a store gives; it is repeated, with growing pauses, while the store is busy.

    Raises:
        FileNotFoundError: there is no such object.
        StoreError: the request failed for good.
    """
    start = time.monotonic()
    pause, said = 0.2, False
    while True:
        try:
            return request()
        except UserError:
            raise
        except Exception as error:
            waited = time.monotonic() - start
            if not is_transient(error) or waited + pause > _patience_seconds():
                raise explained(error, path, doing) from error
            if waited > SAID_AFTER_SECONDS and not said:
                _log.warning("%s; trying again", explained(error, path, doing))
                said = True
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
        pause = min(2 * pause, LONGEST_WAIT_SECONDS)


def _inside(path: str) -> str:
    """Return a path as the file system of its protocol names it."""
    protocol, _, rest = path.partition("://")
    return rest if protocol.lower() in ("s3", "s3a", "gs", "gcs", "hf") else path


def _info(found: Mapping[str, Any]) -> ObjectInfo:
    keys = (
        "ETag",
        "etag",
        "generation",
        "blob_id",
        "content_md5",
        "mtime",
        "LastModified",
        "last_modified",
        "created",
    )
    value = next((found[key] for key in keys if found.get(key)), "")
    if isinstance(value, datetime):  # some give a time here, and seconds in listings
        value = value.timestamp()
    version = str(value)
    return ObjectInfo(int(found.get("size") or 0), version.strip('"'))


def _expression(pattern: str) -> str:
    parts = (re.escape(part).replace(r"\*", "[^/]*") for part in pattern.split("**"))
    return ".*".join(parts)
