"""Media files: safe paths, states, checks of images, and decoded pixels.

A media path is `<collection>/<relative path>`. Rows come from files that anybody may have edited, so
a path is used only if it stays inside its collection's folder. Where a collection has a pack file, a path
may name a slice of it: see `datagen.media.pack`.
"""

import io
import os
import re
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np
import simplejpeg
from PIL import ExifTags, Image, UnidentifiedImageError

from datagen.errors import Reason, RowRejectedError
from datagen.files import Files, is_url
from datagen.media.foreign import foreign_kind
from datagen.media.pack import Slice, clean_path, slice_of

MAX_IMAGE_PIXELS = 64_000_000
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
"""Formats that are read. For some of the others Pillow starts external programs."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes tried for an image that is missing under its own: in this order, then in upper case."""
HEAD_BYTES = 1 << 16
START_BYTES = 1 << 13
"""Read first of the head: most headers are shorter."""
MAX_REMEMBERED = 65_536
"""Folders, and states of objects of a store, that are kept."""
TAIL_BYTES = 1 << 12
JPEG_QUALITY = 92

CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""No media path has these. Other characters that do not print occur: macOS puts U+202F into screenshots' names."""

_PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_PNG_HEADER = struct.Struct(">II2B")
DECODING_ERRORS = (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, struct.error)
"""Exceptions that Pillow raises on corrupt files."""


NO_IMAGE = "no image"


class UndecodableError(ValueError):
    """Bytes that cannot be decoded as an image."""


@dataclass(frozen=True)
class ImageInfo:
    """Facts from an image's header. A `plain` image is still, has 8 bits a channel and is not CMYK."""

    width: int
    height: int
    format: str
    plain: bool


MISSING = "missing"
REFUSED = "refused link"
UNREADABLE = "unreadable"
"""States of files that cannot be read. The state of any other file is its size and modification time."""
_NO_LINK = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Flags to open a file, unless it is a link, without waiting for the writer of a pipe."""
PACKED = "packed"
"""The state of every slice of a pack file, which does not change."""


@dataclass(frozen=True)
class MediaRoots:
    """The folder of each collection.

    A link is followed if it ends below one of the `roots`, or anywhere with `follow_links`. `states`
    receives the state of each file before the file is accessed, so that a later build can detect changes.
    `packs` are the pack files of the collections of users' own data; their images are found under their
    very names alone, since a mask may lie beside its photo under another suffix.
    """

    roots: Mapping[str, str]
    files: Files = field(compare=False, repr=False)
    follow_links: bool = False
    states: dict[str, str] | None = field(default=None, compare=False, repr=False)
    _folders: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    _looks: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    _inside: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)
    packs: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def recording(self, states: dict[str, str]) -> "MediaRoots":
        """Return the same roots, which record in `states` the state of each file that they access."""
        return replace(self, states=states)

    def packed(self, path: str) -> Slice | None:
        """Return the slice of a pack file that a media path names, or None if it names a file."""
        if not self.packs:
            return None
        collection, _, relative = path.partition("/")
        return slice_of(relative) if collection in self.packs else None

    def record_path(self, path: str) -> str:
        """Return the path under which a record holds an image: that of a slice has no place in it."""
        return path if self.packed(path) is None else clean_path(path)

    def locate(self, path: str) -> str:
        """Return the place of a media file, which need not exist; of a slice, that of its pack.

        Raises:
            RowRejectedError: the path is absolute or leads out of its collection.
        """
        collection, _, relative = path.partition("/")
        if self.packed(path) is not None:
            return self.packs[collection]
        root = self.roots.get(collection)
        if root is None:
            raise RowRejectedError(Reason.UNSAFE_PATH, f"{path!r} names no known collection")
        if (
            not relative
            or relative[0] == "/"
            or "\\" in relative
            or (not relative.isprintable() and CONTROL_CHARACTERS.search(relative))
            or (".." in relative and ".." in relative.split("/"))
        ):
            raise RowRejectedError(Reason.UNSAFE_PATH, f"{path!r} leads out of its collection")
        return f"{root}/{relative}"

    def state(self, path: str) -> str:
        """Return a string that changes when the file of a media path is modified, added or removed.

        Raises:
            RowRejectedError: the path is absolute or leads out of its collection.
        """
        if self.packed(path) is not None:
            return PACKED
        place = self.locate(path)
        try:
            if is_url(place):
                state = self._look(place)
                if state == MISSING:
                    raise FileNotFoundError(place)
                return state
            if self._is_refused(place, path):
                return REFUSED
            state = self.files.state(place)
            return state if os.access(place, os.R_OK) else UNREADABLE
        except (FileNotFoundError, NotADirectoryError):
            other = self.under_another_suffix(path)
            return MISSING if other is None else self.state(other)
        except OSError:
            return UNREADABLE

    def _look(self, place: str) -> str:
        """Return the state of an object, which is asked for once."""
        state = self._looks.get(place)
        if state is None:
            if len(self._looks) >= MAX_REMEMBERED:
                self._looks.clear()
            try:
                state = self.files.state(place)
            except FileNotFoundError:
                state = MISSING
            except IsADirectoryError:
                state = UNREADABLE
            self._looks[place] = state
        return state

    def _exists(self, path: str) -> bool:
        place = self.locate(path)
        return self._look(place) != MISSING if is_url(place) else self.files.exists(place)

    def _note(self, path: str) -> None:
        if self.states is not None and path not in self.states and self.packed(path) is None:
            self.states[path] = self.state(path)

    def first_existing(self, *paths: str) -> str:
        """Return the first of the media paths that exists, or the first if none does."""
        for path in paths:
            self._note(path)
            if self._exists(path):
                return path
        return paths[0]

    def find_existing(self, *paths: str) -> str | None:
        """Return the first of the media paths that exists, or None.

        An image under another suffix counts, but a file of the very name goes before it.
        """
        found = self.first_existing(*paths)
        if self._exists(found):
            return found
        return next((path for path in paths if self.under_another_suffix(path)), None)

    def under_another_suffix(self, path: str) -> str | None:
        """Return the path of an existing image that differs from `path` only in its suffix, or None.

        Downloaders choose suffixes of their own: a GIF as `.jpg`, a JPEG as `.png`. The format is always
        read from the content. Of users' own data, there is none.
        """
        if path.partition("/")[0] in self.packs or self._is_noted_missing(path):
            return None
        return self._other_suffix(path)

    def _other_suffix(self, path: str) -> str | None:
        stem, dot, suffix = path.rpartition(".")
        if not dot or f".{suffix.lower()}" not in IMAGE_SUFFIXES:
            return None
        place = self.locate(path)
        if not is_url(place) and not os.path.isdir(os.path.dirname(place)):
            return None
        others = [stem + each for each in (*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES))]
        if is_url(place):
            there = set(self.files.beginning_with(self.locate(f"{stem}.")))
            return next((each for each in others if self.locate(each) in there), None)
        return next((each for each in others if self.files.exists(self.locate(each))), None)

    def open(self, path: str) -> BinaryIO:
        """Open a media file, or a slice of a pack.

        Raises:
            RowRejectedError: it is missing, or a link that leads out of its collection.
        """
        place = self.locate(path)
        packed = self.packed(path)
        if packed is not None:
            return self._open_slice(place, packed, path)
        opened = self._open_local(place, path)
        if opened is not None:
            return opened
        self._note(path)
        if self._is_noted_missing(path):
            raise self._missing(path)
        if not is_url(place) and self._is_refused(place, path):
            raise RowRejectedError(
                Reason.UNSAFE_PATH,
                f"{path!r} is a link out of its collection; pass --follow-links, or name the folder "
                f"that it leads to with --image-root {path.partition('/')[0]}=DIR",
            )
        try:
            return self.files.open_whole(place)
        except (FileNotFoundError, NotADirectoryError):
            raise self._missing(path) from None
        except OSError as error:
            if self.states is not None:
                self.states[path] = UNREADABLE
            raise RowRejectedError(Reason.MEDIA_UNREADABLE, f"{path}: {error.strerror}") from None

    def _open_local(self, place: str, path: str) -> BinaryIO | None:
        """Open a local file in its collection that is no link, and note its state; None for anything else.

        The state is that of the very file that is open, so its path is looked up once.

        Raises:
            RowRejectedError: it is a pipe, a socket or a device.
        """
        if is_url(place) or self._is_noted_missing(path):
            return None
        if not self.follow_links and not self._is_inside(place.rpartition("/")[0]):
            return None
        try:
            opened = os.open(place, _NO_LINK)
        except (OSError, ValueError):
            return None
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            os.close(opened)
            if stat.S_ISDIR(found.st_mode):
                return None
            self._note(path)
            raise RowRejectedError(Reason.MEDIA_UNREADABLE, f"{path}: is no regular file")
        if self.states is not None:
            self.states.setdefault(path, _state(found))
        return open(opened, "rb")

    def state_of(self, file: BinaryIO, path: str) -> str:
        """Return the state of a media file that is open, or of its path if that is not a local file.

        Raises:
            RowRejectedError: the path is absolute or leads out of its collection.
        """
        try:
            return _state(os.fstat(file.fileno()))
        except io.UnsupportedOperation:  # bytes in memory, or an object of a store
            return self.state(path)

    def _missing(self, path: str) -> RowRejectedError:
        collection = path.partition("/")[0]
        root = self.roots[collection]
        message = f"{path} is not there"
        if not is_url(root) and not os.path.isdir(root):
            message = f"{path}: there is no folder for {collection!r}"
            if collection in self.packs:
                message = f"{path}: there is no folder {root}; images.root or videos.root names it"
        elif collection in self.packs and (other := self._other_suffix(path)) is not None:
            message += f"; {other} is, but another suffix may mean another image"
        return RowRejectedError(Reason.MEDIA_MISSING, message)

    def _is_noted_missing(self, path: str) -> bool:
        """Return True if `states` has a file as missing, which was then looked for under other suffixes too."""
        return self.states is not None and self.states.get(path) == MISSING

    def _open_slice(self, pack: str, packed: Slice, path: str) -> BinaryIO:
        try:
            with self.files.open_binary(pack) as file:
                file.seek(packed.offset)
                data = file.read(packed.length)
        except OSError as error:
            raise RowRejectedError(Reason.MEDIA_MISSING, f"{path}: {error}") from None
        if len(data) < packed.length:
            raise RowRejectedError(Reason.MEDIA_TRUNCATED, f"{path}: its pack ends before it")
        return io.BytesIO(data)

    def _is_refused(self, place: str, path: str) -> bool:
        """Return True if `place`, with links resolved, is below none of the roots, which may be links themselves."""
        if self.follow_links:
            return False
        folder, name = os.path.split(place)
        if not self._is_inside(folder):
            return True
        try:
            if not stat.S_ISLNK(os.lstat(place).st_mode):
                return False
        except OSError:
            return False  # it is reported as missing
        real = os.path.join(self._real_folder(folder), name)
        return not self._is_below_a_root(os.path.realpath(real))

    def _is_inside(self, folder: str) -> bool:
        """Return True if a folder, with links resolved, is one of the roots or below it, remembered likewise."""
        known = self._inside.get(folder)
        if known is None:
            if len(self._inside) >= MAX_REMEMBERED:
                self._inside.clear()
            real = self._real_folder(folder)
            known = self._inside[folder] = self._is_below_a_root(f"{real}{os.sep}")
        return known

    def _is_below_a_root(self, place: str) -> bool:
        local = (root for root in self.roots.values() if not is_url(root))
        return any(_is_below(place, self._real_folder(root)) for root in local)

    def _real_folder(self, folder: str) -> str:
        """Return a folder with its links resolved, remembered for the life of these roots."""
        known = self._folders.get(folder)
        if known is None:
            if len(self._folders) >= MAX_REMEMBERED:
                self._folders.clear()
            known = self._folders[folder] = os.path.realpath(folder)
        return known


def _is_below(place: str, folder: str) -> bool:
    return place.startswith(f"{folder}{os.sep}")


def _state(found: os.stat_result) -> str:
    """Return a file's state, as `LocalFiles.state` does."""
    return f"{found.st_size} {found.st_mtime_ns}"


def inspect_image(roots: MediaRoots, path: str) -> ImageInfo:
    """Check an image by its header and its last bytes; decode it only where these do not prove it whole.

    Raises:
        RowRejectedError: it is missing, empty, truncated, not an image, or has more than
            `MAX_IMAGE_PIXELS`.
    """
    with roots.open(path) as file:
        return inspect_file(file, path)


def inspect_file(file: BinaryIO, name: str) -> ImageInfo:
    """Check an image in an open, seekable file as `inspect_image` does; `name` is for messages.

    Raises:
        RowRejectedError: as `inspect_image`.
    """
    head = file.read(START_BYTES)
    if not head:
        raise RowRejectedError(Reason.MEDIA_EMPTY, f"{name} has no bytes")
    try:
        info = _known_header(head, START_BYTES)
        if info is None:
            head += file.read(HEAD_BYTES - len(head))
            info = _known_header(head, HEAD_BYTES) or _read_header(file)
        if info.width * info.height > MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError(f", {info.width} x {info.height}")
        if not _ends_well(info, head, file):
            file.seek(0)
            decode_image(file.read())
    except Image.DecompressionBombError as error:
        size = str(error) if str(error).startswith(",") else ""
        raise RowRejectedError(
            Reason.MEDIA_TOO_LARGE, f"{name} has more than {MAX_IMAGE_PIXELS} pixels{size}"
        ) from None
    except UndecodableError as error:
        cut_off = "truncated" in str(error)
        kind = foreign_kind(head) if str(error) == NO_IMAGE else None
        raise RowRejectedError(
            Reason.MEDIA_TRUNCATED if cut_off else Reason.MEDIA_UNREADABLE,
            f"{name}: {error}" if kind is None else f"{name}: {error} but {kind}",
        ) from None
    return info


def _known_header(head: bytes, num_bytes: int) -> ImageInfo | None:
    """Return what the first `num_bytes` of a JPEG or PNG say, or None if that takes Pillow or a longer head."""
    if head.startswith(b"\xff\xd8"):
        try:
            height, width, colours, _ = simplejpeg.decode_jpeg_header(head)
            return ImageInfo(width, height, "JPEG", colours not in ("CMYK", "YCCK"))
        except ValueError:
            return None  # a long EXIF block, or damage
    if head.startswith(_PNG_START) and len(head) >= 16 + _PNG_HEADER.size:
        width, height, depth, _ = _PNG_HEADER.unpack_from(head, 16)
        before, pixels, _ = head.partition(b"IDAT")
        is_known = pixels or len(head) < num_bytes or num_bytes == HEAD_BYTES
        if width and height and is_known:
            return ImageInfo(width, height, "PNG", depth <= 8 and b"acTL" not in before)
    return None


def _read_header(file: BinaryIO) -> ImageInfo:
    """Return what Pillow says of an image."""
    file.seek(0)
    try:
        with Image.open(file, formats=FORMATS) as image:
            still = getattr(image, "n_frames", 1) == 1
            plain = still and image.mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
            return ImageInfo(image.width, image.height, str(image.format), plain)
    except DECODING_ERRORS as error:
        raise UndecodableError(_sentence(error)) from None


_LAST_BYTES = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


def _ends_well(info: ImageInfo, head: bytes, file: BinaryIO) -> bool:
    marker = _LAST_BYTES.get(info.format)
    if marker is None:
        return False
    tail = head
    if len(head) >= START_BYTES:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - TAIL_BYTES, 0))
        tail = file.read()
    return tail.endswith(marker) or marker in tail[-TAIL_BYTES:]


def decode_image(data: bytes) -> Image.Image:
    """Return the pixels as 8-bit RGB: the first frame, 16-bit values scaled, CMYK converted.

    The EXIF orientation is not applied, as in LAVIS. This holds everywhere: checks, embedding and
    training use the pixels as stored, and embedded images keep their orientation tag. Transparency is
    dropped, also as in LAVIS: the colour stored in a transparent pixel is seen, with nothing behind it.

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
    except DECODING_ERRORS as error:
        raise UndecodableError(_sentence(error)) from None


def _sentence(error: Exception) -> str:
    return NO_IMAGE if isinstance(error, UnidentifiedImageError) else str(error)


def reencode(data: bytes, info: ImageInfo, max_side: int | None) -> bytes:
    """Return the image as plain RGB, with no side longer than `max_side`.

    Photographs (JPEG) stay JPEG; everything else becomes PNG, which is lossless. The EXIF
    orientation tag is kept, and the pixels are not rotated: see `decode_image`.

    Raises:
        UndecodableError: the data cannot be decoded.
    """
    image, exif = decode_image(data), _orientation(data)
    if max_side and max(image.size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.BICUBIC, reducing_gap=None)
    out = io.BytesIO()
    if info.format == "JPEG":
        image.save(out, "JPEG", quality=JPEG_QUALITY, exif=exif)
    else:
        image.save(out, "PNG", exif=exif)
    return out.getvalue()


def _orientation(data: bytes) -> bytes:
    """Return EXIF data that holds only the image's orientation; empty if it has none or is upright."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            value = image.getexif().get(ExifTags.Base.Orientation)
    except DECODING_ERRORS:
        return b""
    if value not in range(2, 9):
        return b""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    return exif.tobytes()


def needs_reencoding(info: ImageInfo, max_side: int | None) -> bool:
    """Return True if an image cannot be embedded as it is: larger than `max_side`, or not `plain`."""
    return not info.plain or bool(max_side and max(info.width, info.height) > max_side)
