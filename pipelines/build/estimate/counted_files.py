"""Counts what a build asks of its file system: the requests that `datagen.stores` would send to an object store."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, BinaryIO, cast

from datagen.files import Files
from datagen.media.media import MediaRoots

REQUEST_BYTES = 8 << 20
"""A contiguous read is one request for every so many bytes."""


@dataclass(frozen=True)
class Traffic:
    """Requests and bytes. `looks` are requests for a file's presence, state or size; `reads` those for bytes."""

    looks: float = 0
    reads: float = 0
    writes: float = 0
    lists: float = 0
    read_bytes: float = 0
    written_bytes: float = 0

    @property
    def requests(self) -> float:
        return self.looks + self.reads + self.writes + self.lists

    @property
    def moved_bytes(self) -> float:
        return self.read_bytes + self.written_bytes

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: "Traffic") -> "Traffic":
        return self + other.times(-1)

    def times(self, factor: float) -> "Traffic":
        return Traffic(*(getattr(self, f.name) * factor for f in fields(self)))


NO_TRAFFIC = Traffic()


class CountedFiles:
    """Passes all calls on to `files` and counts them: those below `inside` apart from the others."""

    def __init__(self, files: Files, inside: str) -> None:
        self.files, self.inside = files, f"{inside.rstrip('/')}/"
        self._counts = {True: _Counts(), False: _Counts()}

    def traffic(self) -> tuple[Traffic, Traffic]:
        """Return the traffic inside and outside of the folder, since the start."""
        return self._counts[True].frozen(), self._counts[False].frozen()

    def _of(self, path: str) -> "_Counts":
        return self._counts[path.startswith(self.inside)]

    def open_binary(self, path: str) -> BinaryIO:
        return cast(BinaryIO, _CountedReader(self.files.open_binary(path), self._of(path)))

    def open_whole(self, path: str) -> BinaryIO:
        """Count one request, and all bytes of the file: so much would be fetched of an object."""
        file = self.files.open_whole(path)
        counts = self._of(path)
        counts.reads += 1
        counts.read_bytes += file.seek(0, os.SEEK_END)
        file.seek(0)
        return file

    def open_ranges(self, path: str) -> BinaryIO:
        return cast(BinaryIO, _CountedReader(self.files.open_ranges(path), self._of(path)))

    @contextmanager
    def create(self, path: str, *, durable: bool = True) -> Iterator[BinaryIO]:
        counts = self._of(path)
        counts.writes += 1
        with self.files.create(path, durable=durable) as file:
            yield file
            counts.written_bytes += file.tell()

    def exists(self, path: str) -> bool:
        self._of(path).looks += 1
        return self.files.exists(path)

    def match(self, pattern: str) -> list[str]:
        self._of(pattern).lists += 1
        return self.files.match(pattern)

    def beginning_with(self, start: str) -> list[str]:
        self._of(start).lists += 1
        return self.files.beginning_with(start)

    def state(self, path: str) -> str:
        self._of(path).looks += 1
        return self.files.state(path)

    @property
    def data_reads(self) -> int:
        """Requests for bytes outside of the folder, so far."""
        return self._counts[False].reads

    def count_image(self, file: BinaryIO, reads_before: int) -> None:
        """Count an image that was opened without these files, as local ones are: its state, and all its bytes."""
        counts = self._counts[False]
        if counts.reads == reads_before:
            counts.looks += 1
            counts.reads += 1
            counts.read_bytes += os.fstat(file.fileno()).st_size


@dataclass(frozen=True)
class CountedRoots(MediaRoots):
    """Media folders whose images are counted."""

    counted: CountedFiles = field(kw_only=True, compare=False, repr=False)

    def open(self, path: str) -> BinaryIO:
        """Open a media file, as `MediaRoots.open` does, and count it; a slice of a pack is counted as a read of the pack."""
        before = self.counted.data_reads
        file = super().open(path)
        if self.packed(path) is None:
            self.counted.count_image(file, before)
        return file


class _Counts:
    def __init__(self) -> None:
        self.looks = self.reads = self.writes = self.lists = 0
        self.read_bytes = self.written_bytes = 0

    def frozen(self) -> Traffic:
        return Traffic(**vars(self))


class _CountedReader:
    """A reader that counts its bytes, and as requests its jumps and every `REQUEST_BYTES`."""

    def __init__(self, file: BinaryIO, counts: _Counts) -> None:
        self._file, self._counts = file, counts
        self._run = 0  # bytes since the last jump

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_CountedReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        for line in self._file:
            self._count(len(line))
            yield line

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._count(len(data))
        return data

    def read1(self, size: int = -1) -> bytes:
        data: bytes = self._file.read1(size)  # type: ignore[attr-defined]
        self._count(len(data))
        return data

    def readinto(self, buffer: Any) -> int:
        count: int = self._file.readinto(buffer)  # type: ignore[attr-defined]
        self._count(count)
        return count

    def readline(self, size: int = -1) -> bytes:
        line = self._file.readline(size)
        self._count(len(line))
        return line

    def seek(self, offset: int, whence: int = 0) -> int:
        self._counts.looks += whence == os.SEEK_END  # asks for the size
        before = self._file.tell()
        place = self._file.seek(offset, whence)
        if place != before:
            self._run = 0
        return place

    def _count(self, num_bytes: int) -> None:
        if num_bytes:
            before, self._run = self._run, self._run + num_bytes
            self._counts.reads += -(-self._run // REQUEST_BYTES) - (-(-before // REQUEST_BYTES))
            self._counts.read_bytes += num_bytes
