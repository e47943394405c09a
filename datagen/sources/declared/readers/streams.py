"""Bytes and lines of users' files: compressed or not, in the encoding that the definition declares."""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from datagen.errors import OptionError, RawDataError, Reason
from datagen.files import Files
from datagen.raw.unpack import foreign_content
from datagen.schema.adapter import Rejected
from datagen.sources.declared.row import MAX_TEXT

MAX_LINE_BYTES = 64 << 20
HEAD_BYTES = 1 << 16
BROKEN_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)

_BOMS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # begins like UTF-16's, so it comes before
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_SURROGATE = re.compile("[\ud800-\udfff]")


@contextmanager
def open_stream(files: Files, path: str) -> Iterator[BinaryIO]:
    """Open a file for reading from its start; what gzip packed is unpacked on the way, by content."""
    with files.open_binary(path) as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            yield file
            return
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast(BinaryIO, unpacked)


@dataclass(frozen=True)
class TextFormat:
    """How a file's text lies in bytes: its codec, the byte order mark before it, how its lines end."""

    codec: str
    bom_bytes: int = 0
    newline: str = "\n"
    head: str = field(default="", repr=False)
    """Its first characters."""

    def begins_with(self, start: str) -> bool:
        """Return True if the first character that is no white space is `start`."""
        return self.head.lstrip("\ufeff \t\r\n")[:1] == start

    @property
    def is_wide(self) -> bool:
        """Return True for UTF-16 and UTF-32, whose line breaks are several bytes."""
        return self.codec.startswith(("utf-16", "utf-32"))


def text_format(files: Files, path: str, name: str, declared: str) -> TextFormat:
    """Return how the text of a file lies, by the declared encoding; encodings are never tried in turn.

    Raises:
        OptionError: Python knows no such encoding.
        RawDataError: the file is no text, or its beginning is not in the declared encoding.
    """
    with open_stream(files, path) as file:
        try:
            head = file.read(HEAD_BYTES)
        except BROKEN_GZIP:
            head = b""  # whoever reads it reports how far it goes
    try:
        found = codecs.lookup(declared)
    except LookupError:
        found = None
    if found is None or not getattr(found, "_is_text_encoding", True):
        raise OptionError(
            f"format: encoding {declared!r} is unknown; such as utf-8, cp1252, utf-16"
        )
    description = foreign_content(head)
    if description is not None:
        raise RawDataError(f"{name} {description}")
    bom = next((each for each in _BOMS if head.startswith(each)), b"")
    codec = _checked(name, found.name.removesuffix("-sig"), head, _BOMS.get(bom))
    breaks = head.decode(codec, "replace")
    newline = "\r" if "\r" in breaks[:-1] and "\n" not in breaks else "\n"
    return TextFormat(codec, len(bom), newline, breaks)


def _checked(name: str, codec: str, head: bytes, marked: str | None) -> str:
    """Return the codec to read with, where the file's first bytes do not contradict it.

    Raises:
        RawDataError: they do.
    """
    wide = codec.startswith(("utf-16", "utf-32"))
    if marked is not None:
        if codec == marked or marked.startswith(f"{codec}-"):
            return marked
        family = "-".join(marked.split("-")[:2])
        raise RawDataError(
            f"{name} begins with the byte order mark of {family}, so it is not in {codec} "
            f"but looks like {family}; give format: {{encoding: {family}}}"
        )
    if not wide:
        if head[:64].count(0) * 4 >= len(head[:64]) > 0:
            raise RawDataError(
                f"{name} holds zero bytes: it is not in {codec} but looks like utf-16, or is no "
                "text; give format: {encoding: utf-16-le} if it is UTF-16 of Windows"
            )
        return codec
    if head and b"\0" not in head:
        raise RawDataError(
            f"{name} holds no zero bytes, so it is not in {codec}; if it is in utf-8, leave out "
            "format: {encoding: ...}"
        )
    if codec in ("utf-16", "utf-32"):
        raise RawDataError(
            f"{name} has no byte order mark, which {codec} needs; give format: {{encoding: "
            f"{codec}-le}} if it was made on Windows, else {codec}-be"
        )
    return codec


class Lines:
    """The lines of a file with their line breaks, read once; `offset` counts unpacked bytes.

    Bytes that the encoding does not have do not end the file: they come out as lone surrogates
    (`texts`) or as invalid UTF-8 (`encoded`), and `wrong_byte` finds the first.
    """

    def __init__(self, file: BinaryIO, name: str, text_format: TextFormat) -> None:
        self._file, self._name, self.format = file, name, text_format
        self.offset = text_format.bom_bytes  # of the next line

    def encoded(self) -> Iterator[bytes]:
        """Yield the lines in UTF-8.

        Raises:
            RawDataError: a line is longer than `MAX_LINE_BYTES`.
            UnicodeError: the file ends inside a character.
        """
        if self.format.codec == "utf-8" and self.format.newline == "\n":
            yield from self._raw()
            return
        errors = "surrogateescape" if self.format.codec == "utf-8" else "surrogatepass"
        for text in self.texts():
            yield text.encode("utf-8", errors)

    def texts(self) -> Iterator[str]:
        """Yield the lines as text; raises like `encoded`."""
        codec = self.format.codec
        if not self.format.is_wide and self.format.newline == "\n":
            for line in self._raw():
                yield line.decode(codec, "surrogateescape")
            return
        errors = "surrogatepass" if self.format.is_wide else "surrogateescape"
        self._file.read(self.format.bom_bytes)
        stream = io.TextIOWrapper(
            cast(io.BytesIO, self._file), codec, errors=errors, newline=self.format.newline
        )
        try:
            while text := stream.readline(MAX_LINE_BYTES + 1):
                self._check_length(text)
                self.offset += len(text.encode(codec, errors))
                yield text
        finally:
            stream.detach()

    def _raw(self) -> Iterator[bytes]:
        self._file.read(self.format.bom_bytes)
        read = self._file.readline
        while line := read(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                self._check_length(line)
            self.offset += len(line)
            yield line

    def _check_length(self, line: bytes | str) -> None:
        if len(line) > MAX_LINE_BYTES:
            raise RawDataError(
                f"{self._name} has a line of more than {MAX_LINE_BYTES >> 20} MB at byte "
                f"{self.offset}; is each row on a line of its own?"
            )

    def bytes_of(self, text: str) -> bytes:
        """Return the bytes of a text as they lie in the file."""
        return text.encode(
            self.format.codec, "surrogatepass" if self.format.is_wide else "surrogateescape"
        )

    def text_of(self, line: bytes) -> str:
        """Return what `encoded` yielded as text, undecodable bytes as lone surrogates."""
        return line.decode(
            "utf-8", "surrogateescape" if self.format.codec == "utf-8" else "surrogatepass"
        )

    def wrong_byte(self, text: str, offset: int) -> Rejected | None:
        """Return where a text that begins at `offset` is not in the declared encoding, or None."""
        found = _SURROGATE.search(text)
        if found is None:
            return None
        before = len(self.bytes_of(text[: found.start()]))
        byte = self.bytes_of(found[0])[0]
        return Rejected(
            Reason.INVALID_ENCODING,
            f"not {self.format.codec}: byte {byte:#04x} at offset {offset + before}; if the file is "
            "in another encoding, say which: format: {encoding: cp1252}",
        )


def zero_byte(text: str | bytes) -> Rejected | None:
    """Return the rejection of a row with a zero byte in it, as damaged disks leave them; None for others."""
    at = text.find("\0") if isinstance(text, str) else text.find(0)
    if at < 0:
        return None
    message = f"a zero byte at place {at + 1} of the row, which no text has: it is damaged"
    return Rejected(Reason.INVALID_ENCODING, message)


def shown(text: str) -> str:
    """Return the beginning of a row for the log of rejections, what is no Unicode escaped."""
    return text[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()


def cut_off(name: str, row: int, error: BaseException) -> Rejected:
    """Return the rejection of what follows row `row` of a file that is cut off or corrupt."""
    return Rejected(
        Reason.TRUNCATED_FILE,
        f"{name} is cut off or corrupt after row {row}: {error}; the rows before are used",
    )
