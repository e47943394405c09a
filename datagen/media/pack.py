"""Images that are no files of their own: the pack file that holds their bytes, and the paths that name them.

Cells of a Parquet file, base64 text and members of an archive have no path. Their bytes go, each content
once, into one pack file of the collection, and a media path says where: `<collection>/@<offset>-<length>/<name>`.
A pack lives as long as the build; records hold the bytes, and the clean path `<collection>/<name>`.
"""

import hashlib
import re
import unicodedata
from typing import BinaryIO, NamedTuple

from datagen.errors import Reason, RowRejectedError

MAX_PACKED_BYTES = 1 << 28
"""Of one image. More is a mistake, or an archive made to fill the disk."""
MAX_NAME_CHARS = 100
_DIGEST_CHARS = 12

_SLICE = re.compile(r"@(\d{1,15})-(\d{1,12})/([^/]+)")
_UNSAFE = re.compile(r"[^\w .,()+=-]")


class Slice(NamedTuple):
    """The part of a pack file that is one image, and the image's name."""

    offset: int
    length: int
    name: str


def slice_of(relative: str) -> Slice | None:
    """Return the slice that a path below its collection names, or None if it is the path of a file.

    Examples:
        >>> slice_of("@120-64/chart.png")
        Slice(offset=120, length=64, name='chart.png')
    """
    if not relative.startswith("@"):
        return None
    match = _SLICE.fullmatch(relative)
    return None if match is None else Slice(int(match[1]), int(match[2]), match[3])


def clean_path(path: str) -> str:
    """Return a media path without the place of a slice, as records have it.

    Examples:
        >>> clean_path("charts/@120-64/chart.png")
        'charts/chart.png'
    """
    collection, _, relative = path.partition("/")
    packed = slice_of(relative)
    return path if packed is None else f"{collection}/{packed.name}"


class ImagePack:
    """Appends images to a pack file, each content once.

    The order of the calls decides places and names, so equal calls give equal files. About 400 bytes of
    memory are kept for each distinct image.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._paths: dict[bytes, str] = {}
        self._names: set[str] = set()
        self._held: set[str] | None = None  # once images are forgotten: those that are there
        self.num_bytes = 0

    def add(self, data: bytes, name: str | None = None) -> str:
        """Append an image unless it is there, and return its path below the collection.

        A `name` that another image has gets a part of the content's sha256; without one, the image is
        named by its sha256 and its format.

        Raises:
            RowRejectedError: it has no bytes, or more than `MAX_PACKED_BYTES`.
        """
        if not data:
            raise RowRejectedError(Reason.MEDIA_EMPTY, f"{name or 'the image'} has no bytes")
        if len(data) > MAX_PACKED_BYTES:
            raise RowRejectedError(
                Reason.MEDIA_TOO_LARGE,
                f"{name or 'the image'} has {len(data)} bytes, {MAX_PACKED_BYTES} are allowed",
            )
        digest = hashlib.sha256(data).digest()
        path = self._paths.get(digest[:16])
        if path is not None and self._held is not None and path not in self._held:
            self._write_again(path, data)
        if path is None:
            unique = self._unique_name(name, digest.hex()[:_DIGEST_CHARS], data)
            path = f"@{self.num_bytes}-{len(data)}/{unique}"
            self._file.write(data)
            self.num_bytes += len(data)
            self._paths[digest[:16]] = path
            self._names.add(unique)
            if self._held is not None:
                self._held.add(path)
        return path

    def forget(self) -> None:
        """Give the room of all images back; their paths stay, and hold again what is added again.

        For readers that look at images soon after they are added. Needs a file that is written without a
        buffer and may have holes.
        """
        self._held = set()
        self._file.truncate(0)
        self._file.seek(self.num_bytes)

    def _write_again(self, path: str, data: bytes) -> None:
        packed = slice_of(path)
        assert packed is not None and self._held is not None
        self._file.seek(packed.offset)
        self._file.write(data)
        self._file.seek(self.num_bytes)
        self._held.add(path)

    def _unique_name(self, name: str | None, digest: str, data: bytes) -> str:
        """Return a file name that no other image of the pack has, safe on any system."""
        name = unicodedata.normalize("NFC", re.split(r"[/\\]", name or "")[-1].strip())
        name = _UNSAFE.sub("_", name).lstrip(".")
        if not name.strip("_ ") or len(name) > MAX_NAME_CHARS:
            return digest + _suffix(data)
        if name not in self._names:
            return name
        stem, dot, suffix = name.rpartition(".")
        return f"{stem}-{digest}.{suffix}" if dot else f"{name}-{digest}"


_STARTS = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}


def _suffix(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in _STARTS.items() if data.startswith(start)), "")
