"""Downloaded bytes to image files: checked by content, shrunk if they are too large, written whole."""

import hashlib
import io
import threading
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from datagen.errors import Reason, RowRejectedError
from datagen.files import Files, HashingWriter
from datagen.media.media import ImageInfo, UndecodableError, inspect_file, reencode

COPY_BYTES = 1 << 20
NUM_DECODERS = 2
"""Images of a process that are decoded at a time: one of 64 million pixels takes 192 MB."""


@dataclass(frozen=True)
class StoredImage:
    """A file of an image as it lies."""

    num_bytes: int
    sha256: str
    width: int
    height: int


class ImageFolder:
    """Where images are written to. `max_side` is the most pixels of a side; threads share the folder."""

    def __init__(self, files: Files, folder: str, max_side: int | None) -> None:
        self._files, self._folder, self._max_side = files, folder, max_side
        self._decoders = threading.BoundedSemaphore(NUM_DECODERS)

    def held(self, path: str) -> StoredImage | None:
        """Return the image that lies at a path already, shrunk if it is too large; None if none does."""
        place = f"{self._folder}/{path}"
        if not self._files.exists(place):
            return None
        try:
            with self._files.open_binary(place) as file:
                info = self._inspect(file, path)
                if self._is_too_large(info):
                    return self.keep(io.BytesIO(_all(file)), path)
                file.seek(0)
                num_bytes, digest = 0, hashlib.sha256()
                while data := file.read(COPY_BYTES):
                    digest.update(data)
                    num_bytes += len(data)
        except (RowRejectedError, OSError):
            return None
        return StoredImage(num_bytes, digest.hexdigest(), info.width, info.height)

    def keep(self, file: BinaryIO, path: str) -> StoredImage:
        """Write the image in an open file to a path.

        Raises:
            RowRejectedError: it is no image that can be used, whatever its headers said.
            OutputError: the disk is full.
        """
        file.seek(0)
        info = self._inspect(file, "the body")
        if self._is_too_large(info):
            file = io.BytesIO(self._shrunk(_all(file), info))
            info = inspect_file(file, path)
        file.seek(0)
        with self._files.create(f"{self._folder}/{path}", durable=False) as out:
            writer = HashingWriter(out)
            while data := file.read(COPY_BYTES):
                writer.write(data)
        return StoredImage(writer.num_bytes, writer.sha256, info.width, info.height)

    def _inspect(self, file: BinaryIO, name: str) -> ImageInfo:
        with self._decoders:
            return inspect_file(file, name)

    def _is_too_large(self, info: ImageInfo) -> bool:
        return self._max_side is not None and max(info.width, info.height) > self._max_side

    def _shrunk(self, data: bytes, info: ImageInfo) -> bytes:
        try:
            with self._decoders:
                return reencode(data, info, self._max_side)
        except (UndecodableError, Image.DecompressionBombError) as error:
            raise RowRejectedError(Reason.MEDIA_UNREADABLE, f"the body: {error}") from None


def _all(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
