"""Archives unpacked so that nothing gets out of their folder, grows without bound, or is there by half.

Zip, tar, tar.gz and gz. Members are written to a folder of their own, `.unpacking-NAME`, and moved into place once all are
there; what a killed run has written is not written again.
"""

import fnmatch
import gzip
import io
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, Protocol

from pipelines.fetch.download import RESERVED_BYTES, DownloadError, Patience, Progress

MAX_RATIO = 100
"""Bytes that a byte of an archive may unpack to; publishers' annotations reach 20."""
FREE_RATIO_BYTES = 256 << 20
"""Bytes that any archive may unpack to."""
MAX_MEMBERS = 5_000_000
_MAX_READ_BYTES = 16 << 20
_CHUNK_BYTES = 1 << 20
_OUTSIDE = re.compile(r"(^|/)\.\.(/|$)|^/|^[A-Za-z]:|[\x00-\x1f\\]")
_JUNK = re.compile(r"(^|/)(__MACOSX/|\._|\.DS_Store$|Thumbs\.db$)")
_DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    zlib.error,
    zipfile.BadZipFile,
    tarfile.TarError,
)


class ArchiveError(DownloadError):
    """An archive that cannot or must not be unpacked."""


class Members(Protocol):
    """Decides which members are unpacked."""

    def target(self, member: str) -> str | None:
        """Return the path of a member below the folder, None if it is not unpacked."""

    def lacks(self, targets: Sequence[str]) -> str | None:
        """Return what is missing among all targets of an archive, or None."""


@dataclass(frozen=True)
class Named:
    """The members of these names, in whatever folder they lie in the archive."""

    names: tuple[str, ...]

    def target(self, member: str) -> str | None:
        return next((n for n in self.names if member == n or member.endswith(f"/{n}")), None)

    def lacks(self, targets: Sequence[str]) -> str | None:
        return ", ".join(name for name in self.names if name not in targets) or None


@dataclass(frozen=True)
class All:
    """All members that `only` matches, without the folder `strip` or, if `flat`, without any; `names` among them."""

    names: tuple[str, ...] = ()
    strip: str | None = None
    only: str | None = None
    flat: bool = False

    def target(self, member: str) -> str | None:
        if self.only is not None and not fnmatch.fnmatchcase(member, self.only):
            return None
        if self.flat:
            return member.rpartition("/")[2]
        return member.removeprefix(f"{self.strip}/") if self.strip else member

    def lacks(self, targets: Sequence[str]) -> str | None:
        if not targets:
            return "any file" if self.only is None else self.only
        missing = [name for name in self.names if not fnmatch.filter(targets, name)]
        return ", ".join(missing) or None


class Unpacked(NamedTuple):
    """A file that was unpacked: its path below the folder, and its size."""

    path: str
    num_bytes: int


def unpack(
    archive: Path,
    folder: Path,
    members: Members,
    progress: Progress,
    patience: Patience,
) -> list[Unpacked]:
    """Unpack an archive into a folder, and return what is there; files of the same names are replaced.

    Links and special files in the archive are left out, and reported.

    Raises:
        ArchiveError: It is damaged, encrypted or too large, leads out of the folder, or lacks what it is for. Nothing of it
            is in the folder then.
        Stopped: `patience.wait` raised it.
    """
    staging = staging_folder(archive, folder)
    staging.mkdir(parents=True, exist_ok=True)
    try:
        written = _unpack(archive, staging, members, progress, patience)
    except ArchiveError:
        shutil.rmtree(staging)
        raise
    _move(staging, folder)
    return written


def staging_folder(archive: Path, folder: Path) -> Path:
    """Return the folder that members are written to before they are moved into `folder`."""
    return folder / f".unpacking-{archive.name}"


def _unpack(
    archive: Path, staging: Path, members: Members, progress: Progress, patience: Patience
) -> list[Unpacked]:
    bound = _Bound(archive, staging)
    written: dict[str, int] = {}
    left_out = 0
    with _readable(archive):
        for member in _members(archive, bound):
            if member.is_special:
                left_out += 1
                continue
            target = None if _JUNK.search(member.name) else members.target(member.name)
            if target is None:
                continue
            if target in written:
                raise ArchiveError(f"{archive} holds {target} twice; unpack it yourself")
            bound.add(member.num_bytes)
            _write(member, staging / target, bound)
            written[target] = member.num_bytes
            progress.at(bound.unpacked, bound.total)
            patience.wait(0)
    if left_out:
        progress.say(f"{left_out} links and special files of {archive.name} are left out")
    if lacking := members.lacks(list(written)):
        raise ArchiveError(
            f"{archive} does not hold {lacking}; see what it holds, and whether the publisher changed it"
        )
    return [Unpacked(path, num_bytes) for path, num_bytes in written.items()]


@dataclass(frozen=True)
class _Member:
    name: str
    num_bytes: int
    is_special: bool
    open: Callable[[], IO[bytes] | gzip.GzipFile | None]


class _Bound:
    """Counts what is unpacked, and stops what no publisher's archive does."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self.archive = archive
        self.free = shutil.disk_usage(folder).free - RESERVED_BYTES
        self.most = max(FREE_RATIO_BYTES, MAX_RATIO * archive.stat().st_size)
        self.unpacked = 0
        self.members = 0
        self.total: int | None = None

    def add(self, num_bytes: int) -> None:
        self.unpacked += num_bytes
        self.check(self.unpacked)

    def check(self, total: int) -> None:
        if total > self.most:
            raise ArchiveError(
                f"{self.archive} unpacks to more than {self.most / 1e9:.1f} GB, {MAX_RATIO} times its size: it is "
                "taken for a bomb; if it is none, unpack it yourself"
            )
        if total > self.free:
            raise ArchiveError(
                f"{self.archive} unpacks to {total / 1e9:.1f} GB or more, {self.free / 1e9:.1f} GB are free; free "
                "some space and start the same command again"
            )

    def count(self) -> None:
        self.members += 1
        if self.members > MAX_MEMBERS:
            raise ArchiveError(
                f"{self.archive} has more than {MAX_MEMBERS:,} members; unpack it yourself"
            )


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    """Name the archive in errors of damage."""
    try:
        yield
    except DownloadError:
        raise
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # of a file that is written
        raise ArchiveError(
            f"{archive} cannot be unpacked: {error or type(error).__name__}; remove it and start the same command "
            "again, or unpack it yourself"
        ) from error


def _members(archive: Path, bound: _Bound) -> Iterator[_Member]:
    name = archive.name.lower()
    if name.endswith(".zip"):
        found = _zip_members(archive, bound)
    elif name.endswith((".tar", ".tar.gz", ".tgz")):
        found = _tar_members(archive, bound)
    else:
        found = _gzip_member(archive, bound)
    for member in found:
        bound.count()
        if _OUTSIDE.search(member.name):
            raise ArchiveError(
                f"{archive} holds {member.name!r}, which leads out of its folder; nothing of it is used"
            )
        yield member


def _zip_members(archive: Path, bound: _Bound) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        infos = [info for info in opened.infolist() if not info.is_dir()]
        bound.total = sum(info.file_size for info in infos)
        bound.check(bound.total)
        for info in infos:
            if info.flag_bits & 1:
                raise ArchiveError(
                    f"{archive} is encrypted; unpack it yourself with the password of its publisher"
                )
            kind = stat.S_IFMT(info.external_attr >> 16)
            yield _Member(
                info.orig_filename,
                info.file_size,
                kind not in (0, stat.S_IFREG),
                partial(opened.open, info),
            )


def _tar_members(archive: Path, bound: _Bound) -> Iterator[_Member]:
    compressed = not archive.name.lower().endswith(".tar")
    with open(archive, "rb") as file:
        content = gzip.GzipFile(fileobj=file) if compressed else file
        reader = _BoundedReader(content, bound)  # type: ignore[arg-type]
        with tarfile.open(fileobj=reader, mode="r:") as opened:
            while (info := opened.next()) is not None:
                opened.members.clear()  # type: ignore[attr-defined]  # they would be kept
                if info.isdir():
                    continue
                yield _Member(
                    info.name,
                    info.size,
                    not info.isreg(),
                    partial(opened.extractfile, info),
                )


def _gzip_member(archive: Path, bound: _Bound) -> Iterator[_Member]:
    """Yield the content of a gzip file; its size is known once it was read."""
    num_bytes = 0
    with gzip.open(archive) as content:
        while data := content.read(_CHUNK_BYTES):
            num_bytes += len(data)
            bound.check(num_bytes)
    name = archive.name[: -len(".gz")]
    yield _Member(name, num_bytes, False, partial(gzip.open, archive))


class _BoundedReader(io.RawIOBase):
    """Passes on what is read, in pieces that fit the memory, up to the bound."""

    def __init__(self, content: BinaryIO, bound: _Bound) -> None:
        self._content, self._bound = content, bound

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._content.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._bound.check(offset)
        return self._content.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_READ_BYTES:
            raise ArchiveError(
                f"{self._bound.archive} has a header of {size:,} bytes; nothing of it is used"
            )
        return self._content.read(size)


def _write(member: _Member, path: Path, bound: _Bound) -> None:
    """Write a member, unless a run that was stopped has; never more than the member announces."""
    if path.is_file() and path.stat().st_size == member.num_bytes:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    left = member.num_bytes
    opened = member.open()
    assert opened is not None  # a regular file has content
    with opened as source, open(path, "wb") as file:
        while data := source.read(min(_CHUNK_BYTES, left + 1)):
            left -= len(data)
            if left < 0:
                raise ArchiveError(f"{bound.archive}: {member.name!r} is longer than it announces")
            file.write(data)
    if left:
        raise ArchiveError(f"{bound.archive}: {member.name!r} is shorter than it announces")


def _move(source: Path, target: Path) -> None:
    """Move what lies in a folder into another one of the same file system; files are replaced."""
    for entry in os.scandir(source):
        place = target / entry.name
        if entry.is_dir(follow_symlinks=False) and place.is_dir():
            _move(Path(entry.path), place)
        else:
            os.replace(entry.path, place)
    os.rmdir(source)
