"""Members of tar and zip archives, read by name."""

import tarfile
import zipfile
import zlib
from collections import OrderedDict
from typing import BinaryIO, Protocol

from datagen.errors import Reason, RowRejectedError
from datagen.media.media import MediaRoots
from datagen.media.pack import MAX_PACKED_BYTES

MAX_OPEN_ARCHIVES = 8


class _Archive(Protocol):
    file: BinaryIO

    def read(self, member: str) -> bytes | None:
        """Return a member's bytes, None if there is none of that name."""


class Archives:
    """Reads members of archives below `roots`; those used last stay open, with the places of their members."""

    def __init__(self, roots: MediaRoots) -> None:
        self._roots = roots
        self._open: OrderedDict[str, _Archive] = OrderedDict()

    def read(self, path: str, member: str) -> bytes:
        """Return the bytes of a member of the archive at a media path.

        Raises:
            RowRejectedError: the archive or the member is missing, damaged or too large.
        """
        archive = self._opened(path)
        try:
            data = archive.read(_plain(member))
        except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
            raise RowRejectedError(
                Reason.MEDIA_UNREADABLE, f"{member!r} of {path}: {error}"
            ) from None
        if data is None:
            raise RowRejectedError(Reason.MEDIA_MISSING, f"{path} has no member {member!r}")
        return data

    def close(self) -> None:
        """Close all archives."""
        while self._open:
            self._open.popitem()[1].file.close()

    def _opened(self, path: str) -> _Archive:
        archive = self._open.get(path)
        if archive is None:
            file = self._roots.open(path)
            try:
                archive = _Zip(file) if zipfile.is_zipfile(file) else _Tar(file)
            except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
                file.close()
                compressed = path.endswith((".gz", ".tgz", ".bz2", ".xz", ".zst"))
                remedy = "; unpack it to an uncompressed .tar first" if compressed else ""
                raise RowRejectedError(
                    Reason.MEDIA_UNREADABLE, f"{path} is no tar or zip archive ({error}){remedy}"
                ) from None
            self._open[path] = archive
            if len(self._open) > MAX_OPEN_ARCHIVES:
                self._open.popitem(last=False)[1].file.close()
        self._open.move_to_end(path)
        return archive


def _plain(member: str) -> str:
    return member.removeprefix("./")


def _check_size(member: str, size: int) -> None:
    if size > MAX_PACKED_BYTES:
        raise RowRejectedError(
            Reason.MEDIA_TOO_LARGE, f"{member!r} has {size} bytes, {MAX_PACKED_BYTES} are allowed"
        )


class _Tar:
    """An uncompressed tar. Of members with one name the last counts, as in unpacking."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._places: dict[str, tuple[int, int]] = {}
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (found := tar.next()) is not None:
                if found.isreg() and not found.issparse():
                    self._places[_plain(found.name)] = found.offset_data, found.size
                tar.__dict__["members"].clear()  # else the header of each stays in memory

    def read(self, member: str) -> bytes | None:
        place = self._places.get(member)
        if place is None:
            return None
        offset, size = place
        _check_size(member, size)
        self.file.seek(offset)
        data = self.file.read(size)
        if len(data) < size:
            raise RowRejectedError(
                Reason.MEDIA_TRUNCATED, f"{member!r}: its archive ends within it"
            )
        return data


class _Zip:
    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._zip = zipfile.ZipFile(file)
        self._infos = {_plain(i.filename): i for i in self._zip.infolist() if not i.is_dir()}

    def read(self, member: str) -> bytes | None:
        info = self._infos.get(member)
        if info is None:
            return None
        _check_size(member, info.file_size)
        with self._zip.open(info) as file:
            return file.read(info.file_size)
