"""Bytes and lines of users' files: compressed or not, in the encoding that the definition declares."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from datagen.errors import OptionError, RawDataError
from datagen.files import Files

MAX_LINE_BYTES = 64 << 20
MAX_TEXT = 4_000
"""Characters of a row that are kept for the log of rejections."""

BROKEN_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)


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


def encoding_of(name: str, declared: str, head: bytes) -> str:
    """Return the codec of a file whose first bytes are `head`.

    Raises:
        OptionError: Python knows no such encoding.
        RawDataError: the file is plainly in another one.
    """
    try:
        codec = codecs.lookup(declared).name
    except LookupError:
        raise OptionError(
            f"format: encoding {declared!r} is unknown; such as utf-8, cp1252, utf-16"
        ) from None
    if codec == "utf-8":
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in head[:64]:
            raise RawDataError(
                f"{name} is not in utf-8 but looks like utf-16; give format: {{encoding: utf-16}}"
            )
        return "utf-8-sig"
    return codec


def lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the lines of a stream with their line breaks.

    Raises:
        RawDataError: a line is longer than `MAX_LINE_BYTES`.
    """
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise RawDataError(f"{name} has a line of more than {MAX_LINE_BYTES >> 20} MB")
        yield line


def recoded_lines(file: BinaryIO, name: str, codec: str) -> Iterator[bytes]:
    """Yield the lines of a stream in UTF-8, whatever its encoding.

    Bytes that the encoding does not have stay as they are, which is no valid UTF-8.
    """
    if codec == "utf-8-sig":
        for number, line in enumerate(lines(file, name)):
            yield line if number else line.removeprefix(codecs.BOM_UTF8)
        return
    if codec.startswith(("utf-16", "utf-32")):
        text = io.TextIOWrapper(file, codec, newline="\n")
        try:
            for decoded in text:
                yield decoded.encode()
        finally:
            text.detach()
        return
    for line in lines(file, name):
        yield line.decode(codec, "surrogateescape").encode("utf-8", "surrogatepass")
