"""The images of a record, wherever their bytes are."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import numpy as np

from datagen.errors import RowRejectedError
from datagen.media.media import MediaRoots, UndecodableError
from datagen.schema.record import Record
from datagen.stores.any_files import AnyFiles
from trainer.data.reading.images import Pixels, decode
from trainer.errors import DataError

EVERY_COLLECTION = "*"


class UnreadableError(Exception):
    """An image that is missing or cannot be decoded; the message says which, and why."""


class RecordImages:
    """Finds and decodes the images of records; those kept by reference through `image_roots`."""

    def __init__(self, image_roots: Mapping[str, str], files: AnyFiles) -> None:
        self._named = dict(image_roots)
        self._files = files
        self._roots = MediaRoots(self._named, files, follow_links=True)

    def read(
        self, record: Record, embedded: Sequence[memoryview | None], hashed: bool = False
    ) -> tuple[list[Pixels], tuple[str, ...] | None]:
        """A record's images, or its clip's frames, as RGB, and their sha256 if `hashed`.

        Raises:
            UnreadableError: one of them cannot be read.
            DataError: the folder of its collection is not known.
        """
        if record.video is not None and not record.images:
            return self._frames(record, hashed)
        images, hashes = [], []
        for image, data in zip(record.images or (), embedded, strict=True):
            found = self._fetch(image.path) if data is None else data
            try:
                images.append(decode(found))
            except UndecodableError as error:
                raise UnreadableError(f"{image.path}: {error}") from None
            if hashed:
                hashes.append(hashlib.sha256(found).hexdigest())
        if not images:
            raise UnreadableError(f"{record.record_id} has no image")
        return images, tuple(hashes) if hashed else None

    def encoded(self, record: Record) -> list[bytes]:
        """The images of a record as the bytes that they are kept as; none of a clip kept by reference.

        Raises:
            UnreadableError: one of them cannot be read.
            DataError: the folder of its collection is not known.
        """
        return [
            self._fetch(image.path) if image.bytes is None else image.bytes
            for image in record.images or ()
        ]

    def locate(self, path: str) -> str | None:
        """The file of a media path, or None if the folder of its collection is not known."""
        try:
            self._name(path)
            return self._roots.locate(path)
        except (DataError, RowRejectedError):
            return None

    def _fetch(self, path: str) -> bytes:
        try:
            with self._open(path) as file:
                return file.read()
        except OSError as error:
            raise UnreadableError(f"{path}: {error.strerror or error}") from None

    def _open(self, path: str) -> BinaryIO:
        self._name(path)
        try:
            return self._roots.open(path)
        except RowRejectedError as error:
            raise UnreadableError(error.message) from None

    def _name(self, path: str) -> None:
        """Make sure that there is a root for the collection of `path`."""
        collection = path.partition("/")[0]
        if collection not in self._named:
            if EVERY_COLLECTION not in self._named:
                raise DataError(
                    f"{path} is kept by reference, and the folder of its collection is not known: set "
                    f"data.image_roots.{collection} to its folder"
                )
            self._named[collection] = f"{self._named[EVERY_COLLECTION]}/{collection}"

    def _frames(self, record: Record, hashed: bool) -> tuple[list[Pixels], tuple[str, ...] | None]:
        """Frames that the build did not embed."""
        from datagen.media.video import read_frames

        video = record.video
        assert video is not None
        if video.frame_times is None:
            raise UnreadableError(f"{video.path} was not there when the dataset was built")
        try:
            with self._open(video.path) as file:
                frames = read_frames(file, video.path, video.frame_times)
        except RowRejectedError as error:
            raise UnreadableError(error.message) from None
        pixels = [np.asarray(frame) for frame in frames]
        hashes = tuple(hashlib.sha256(each.tobytes()).hexdigest() for each in pixels)
        return pixels, hashes if hashed else None
