"""Reads a publisher's file once, from its start to its end, through one bounded buffer."""

import hashlib
from typing import BinaryIO

from datagen.errors import RawDataError

DEFAULT_WINDOW_BYTES = 2 << 20
SPACE = b" \t\r\n"


class ForwardReader:
    """A file read forward through one buffer; `position` counts inside the buffer."""

    def __init__(self, file: BinaryIO, name: str, window_bytes: int) -> None:
        self.file, self.name, self.window_bytes = file, name, window_bytes
        self.buffer = b""
        self.base = 0
        self.position = 0
        self.at_end = False
        self.digest = hashlib.sha256()
        self.fill(3)
        if not self.buffer:
            raise RawDataError(f"{name} is empty; download it again")
        if self.buffer.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise RawDataError(
                f"{name} is UTF-16, not UTF-8; convert it (iconv -f UTF-16 -t UTF-8)"
            )
        if self.buffer.startswith(b"\xef\xbb\xbf"):
            self.position = 3

    @property
    def num_bytes(self) -> int:
        return self.base + len(self.buffer)

    def offset(self) -> int:
        return self.base + self.position

    def fill(self, wanted: int) -> None:
        """Have at least `wanted` bytes after the position, unless the file ends before."""
        missing = wanted - (len(self.buffer) - self.position)
        if missing <= 0 or self.at_end:
            return
        more = self.file.read(max(missing, self.window_bytes))
        self.at_end = len(more) < max(missing, self.window_bytes)
        self.digest.update(more)
        self.buffer, self.base = self.buffer[self.position :] + more, self.base + self.position
        self.position = 0

    def peek(self) -> int:
        """The next byte that is no white space.

        Raises:
            RawDataError: the file ends here.
        """
        while True:
            self.fill(1)
            if self.position >= len(self.buffer):
                raise self.error("is cut off")
            if self.buffer[self.position] not in SPACE:
                return self.buffer[self.position]
            self.position += 1

    def take(self, expected: bytes) -> bool:
        """Step over the next byte if it is `expected`."""
        if self.peek() != expected[0]:
            return False
        self.position += 1
        return True

    def error(self, what: str) -> RawDataError:
        return RawDataError(
            f"{self.name} {what} at byte {self.offset()} of {self.num_bytes}; download it again"
        )
