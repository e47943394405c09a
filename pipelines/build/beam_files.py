"""Files on whatever Beam can reach: local disks directly, `gs://`, `s3://`, `hdfs://` through Beam."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from datagen.errors import OptionError
from datagen.files import LocalFiles, temporary_name


def check_reachable(paths: Iterable[str]) -> None:
    """Refuse paths of stores for which no file system is installed.

    Raises:
        OptionError: the package for this protocol is not installed; names it.
    """
    for path in paths:
        if "://" in path:
            try:
                FileSystems.get_filesystem(path)
            except ValueError as error:
                raise OptionError(str(error)) from None


class BeamFiles:
    """`datagen.files.Files`; a path with `://` goes through Beam's file systems."""

    def __init__(self) -> None:
        self._local = LocalFiles()

    def open_binary(self, path: str) -> BinaryIO:
        if "://" not in path:
            return self._local.open_binary(path)
        try:
            raw = CompressionTypes.UNCOMPRESSED
            return cast(BinaryIO, FileSystems.open(path, compression_type=raw))
        except BeamIOError as error:
            raise FileNotFoundError(path) from error

    @contextmanager
    def create(self, path: str, *, durable: bool = True) -> Iterator[BinaryIO]:
        if "://" not in path:
            with self._local.create(path, durable=durable) as file:
                yield file
            return
        temporary = temporary_name(path)
        raw = CompressionTypes.UNCOMPRESSED
        with FileSystems.create(temporary, compression_type=raw) as file:
            yield file
        if FileSystems.exists(path):
            FileSystems.delete([path])
        FileSystems.rename([temporary], [path])

    def exists(self, path: str) -> bool:
        if "://" not in path:
            return self._local.exists(path)
        return bool(FileSystems.exists(path))

    def match(self, pattern: str) -> list[str]:
        if "://" not in pattern:
            return self._local.match(pattern)
        return sorted(each.path for each in FileSystems.match([pattern])[0].metadata_list)

    def state(self, path: str) -> str:
        """Return the file's size and time of last change, of an object as its store reports them."""
        if "://" not in path:
            return self._local.state(path)
        try:
            found = FileSystems.get_filesystem(path).metadata(path)
        except BeamIOError as error:
            raise FileNotFoundError(path) from error
        return f"{found.size_in_bytes} {found.last_updated_in_seconds}"

    def copy(self, path: str, new: str) -> None:
        """Copy a file within an object store, over one that is there."""
        self.remove([new])
        FileSystems.copy([path], [new])

    def remove(self, paths: Iterable[str]) -> None:
        """Remove the files that exist of `paths`."""
        there = [path for path in paths if self.exists(path)]
        for path in there:
            if "://" not in path:
                os.unlink(path)
        remote = [path for path in there if "://" in path]
        if remote:
            FileSystems.delete(remote)

    def below(self, folder: str) -> list[str]:
        """Return all files below a folder of an object store."""
        return [m.path for m in FileSystems.match([f"{folder}/**"])[0].metadata_list]
