"""Images and clips: where they are, whether they can be used, and their pixels.

A media path is `<collection>/<relative path>`. Rows come from files that anybody may have edited, so
a path is used only if it stays inside its collection's folder.
"""

import io
import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import BinaryIO

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from datagen.errors import Reason, RowRejectedError
from datagen.files import Files

MAX_IMAGE_PIXELS = 64_000_000
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
"""What is read at all: some other formats make Pillow start programs."""
HEAD_BYTES = 1 << 16
TAIL_BYTES = 1 << 12
JPEG_QUALITY = 92

_PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_PNG_HEADER = struct.Struct(">II2B")
_DECODING_ERRORS = (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, struct.error)
"""What Pillow raises on damaged files."""


class UndecodableError(ValueError):
    """Bytes that no image can be made of."""


@dataclass(frozen=True)
class ImageInfo:
    """What an image's header says. `plain` images are still, with 8 bits a channel, not CMYK."""

    width: int
    height: int
    format: str
    plain: bool


@dataclass(frozen=True)
class MediaRoots:
    """The folder of each collection."""

    roots: Mapping[str, str]
    files: Files = field(compare=False, repr=False)

    def locate(self, path: str) -> str:
        """Where the file of a media path is, whether it exists or not.

        Raises:
            RowRejectedError: the path is absolute or leads out of its collection.
        """
        collection, _, relative = path.partition("/")
        root = self.roots.get(collection)
        if root is None:
            raise RowRejectedError(Reason.UNSAFE_PATH, f"{path!r} names no known collection")
        if (
            not relative
            or relative[0] == "/"
            or "\\" in relative
            or not relative.isprintable()
            or (".." in relative and ".." in relative.split("/"))
        ):
            raise RowRejectedError(Reason.UNSAFE_PATH, f"{path!r} leads out of its collection")
        return f"{root}/{relative}"

    def first_existing(self, *paths: str) -> str:
        """The first of the media paths that exists, or simply the first."""
        for path in paths:
            if self.files.exists(self.locate(path)):
                return path
        return paths[0]

    def open(self, path: str) -> BinaryIO:
        """Open a media file.

        Raises:
            RowRejectedError: it is missing, or a link that leads out of its collection.
        """
        place = self.locate(path)
        if "://" not in place:
            collection = path.partition("/")[0]
            root = self.roots[collection]
            if not _is_folder(root):
                message = f"{path}: there is no folder for {collection!r}"
                raise RowRejectedError(Reason.MEDIA_MISSING, message)
            if not _stays_inside(place, root):
                message = f"{path!r} is a link out of its collection"
                raise RowRejectedError(Reason.UNSAFE_PATH, message)
        try:
            return self.files.open_binary(place)
        except (FileNotFoundError, NotADirectoryError):
            raise RowRejectedError(Reason.MEDIA_MISSING, f"{path} is not there") from None
        except OSError as error:
            raise RowRejectedError(Reason.MEDIA_UNREADABLE, f"{path}: {error.strerror}") from None


def _stays_inside(place: str, root: str) -> bool:
    """Whether `place`, links resolved, is below `root`; a root may itself be a link."""
    folder, name = os.path.split(place)
    folder = _real_folder(folder)
    inside = _real_folder(root)
    if folder != inside and not folder.startswith(f"{inside}{os.sep}"):
        return False
    try:
        if not stat.S_ISLNK(os.lstat(place).st_mode):
            return True
    except OSError:
        return True  # it is reported as missing
    return os.path.realpath(os.path.join(folder, name)).startswith(f"{inside}{os.sep}")


@lru_cache(maxsize=1_024)
def _is_folder(root: str) -> bool:
    return os.path.isdir(root)


@lru_cache(maxsize=65_536)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def inspect_image(roots: MediaRoots, path: str) -> ImageInfo:
    """Check an image by its header and its end; only what looks wrong there is decoded.

    Raises:
        RowRejectedError: it is missing, empty, cut off, no image, or has more than
            `MAX_IMAGE_PIXELS`.
    """
    with roots.open(path) as file:
        head = file.read(HEAD_BYTES)
        if not head:
            raise RowRejectedError(Reason.MEDIA_EMPTY, f"{path} has no bytes")
        try:
            info = _read_header(head, file)
            if info.width * info.height > MAX_IMAGE_PIXELS:
                raise Image.DecompressionBombError
            if not _ends_well(info, head, file):
                file.seek(0)
                decode_image(file.read())
        except Image.DecompressionBombError:
            raise RowRejectedError(
                Reason.MEDIA_TOO_LARGE, f"{path} has more than {MAX_IMAGE_PIXELS} pixels"
            ) from None
        except UndecodableError as error:
            cut_off = "truncated" in str(error)
            raise RowRejectedError(
                Reason.MEDIA_TRUNCATED if cut_off else Reason.MEDIA_UNREADABLE, f"{path}: {error}"
            ) from None
    return info


def _read_header(head: bytes, file: BinaryIO) -> ImageInfo:
    if head.startswith(b"\xff\xd8"):
        try:
            height, width, colours, _ = simplejpeg.decode_jpeg_header(head)
            return ImageInfo(width, height, "JPEG", colours not in ("CMYK", "YCCK"))
        except ValueError:
            pass  # a long EXIF block, or damage: Pillow reads on
    elif head.startswith(_PNG_START) and len(head) >= 16 + _PNG_HEADER.size:
        width, height, depth, _ = _PNG_HEADER.unpack_from(head, 16)
        animated = b"acTL" in head.partition(b"IDAT")[0]
        if width and height:
            return ImageInfo(width, height, "PNG", depth <= 8 and not animated)
    file.seek(0)
    try:
        with Image.open(file, formats=FORMATS) as image:
            still = getattr(image, "n_frames", 1) == 1
            plain = still and image.mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
            return ImageInfo(image.width, image.height, str(image.format), plain)
    except _DECODING_ERRORS as error:
        raise UndecodableError(_sentence(error)) from None


_LAST_BYTES = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


def _ends_well(info: ImageInfo, head: bytes, file: BinaryIO) -> bool:
    marker = _LAST_BYTES.get(info.format)
    if marker is None:
        return False
    tail = head
    if len(head) == HEAD_BYTES:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - TAIL_BYTES, 0))
        tail = file.read()
    return tail.endswith(marker) or marker in tail[-TAIL_BYTES:]


def decode_image(data: bytes) -> Image.Image:
    """The pixels as 8-bit RGB: the first frame, 16-bit values scaled, CMYK converted.

    Raises:
        UndecodableError: the data cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            image.load()
            if image.mode.startswith("I"):
                scaled = np.asarray(image).astype(np.uint32) // 257
                return Image.fromarray(scaled.clip(0, 255).astype(np.uint8)).convert("RGB")
            return image.convert("RGB")
    except _DECODING_ERRORS as error:
        raise UndecodableError(_sentence(error)) from None


def _sentence(error: Exception) -> str:
    return "no image" if isinstance(error, UnidentifiedImageError) else str(error)


def reencode(data: bytes, info: ImageInfo, max_side: int | None) -> bytes:
    """The image as plain RGB, no side longer than `max_side`.

    Photographs (JPEG) stay JPEG; everything else becomes PNG, so that drawings lose nothing.

    Raises:
        UndecodableError: the data cannot be decoded.
    """
    image = decode_image(data)
    if max_side and max(image.size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.BICUBIC, reducing_gap=None)
    out = io.BytesIO()
    if info.format == "JPEG":
        image.save(out, "JPEG", quality=JPEG_QUALITY)
    else:
        image.save(out, "PNG")
    return out.getvalue()


def needs_reencoding(info: ImageInfo, max_side: int | None) -> bool:
    """Whether an image is not embedded as it is: larger than `max_side`, or not `plain`."""
    return not info.plain or bool(max_side and max(info.width, info.height) > max_side)
