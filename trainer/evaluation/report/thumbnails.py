"""Small images for a page: each distinct one once, whatever number of records share it."""

import base64
import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from datagen.media.media import UndecodableError
from trainer.data.reading.images import decode

SIDE = 192
"""Longest side in pixels."""
QUALITY = 80


@dataclass(frozen=True)
class Thumbnail:
    """An image of the page. `key` finds its bytes."""

    key: str
    width: int
    height: int


class Thumbnails:
    """The images of a page. `data` is base64 of a JPEG by key."""

    def __init__(self) -> None:
        self.data: dict[str, str] = {}
        self._known: dict[bytes, Thumbnail] = {}

    def add(self, encoded: bytes) -> Thumbnail:
        """The thumbnail of an encoded image.

        Raises:
            UndecodableError: it cannot be decoded.
        """
        digest = hashlib.sha256(encoded).digest()
        if digest not in self._known:
            self._known[digest] = self._make(encoded)
        return self._known[digest]

    def _make(self, encoded: bytes) -> Thumbnail:
        pixels = decode(encoded)
        if not pixels.size:
            raise UndecodableError("it has no pixels")
        image = Image.fromarray(np.ascontiguousarray(pixels))
        image.thumbnail((SIDE, SIDE))
        written = io.BytesIO()
        image.save(written, "JPEG", quality=QUALITY, optimize=True)
        key = f"p{len(self.data)}"
        self.data[key] = base64.b64encode(written.getvalue()).decode("ascii")
        return Thumbnail(key, image.width, image.height)
