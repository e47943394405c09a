"""The URLs of a download in files by host, and those of one worker in order.

The process that starts a download reads the lists and writes the URLs into 256 buckets, chosen by the host. A
bucket belongs to one worker, which therefore serves its hosts alone. What it keeps in memory of a
URL is 8 bytes: the place of its text in a temporary file.
"""

import re
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from hashlib import blake2b, sha256
from typing import BinaryIO, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from datagen.files import Files

NUM_BUCKETS = 256
CHUNK_BYTES = 64 << 20
DIGEST_BYTES = 16
_HOST = re.compile(r"\s*https?://(?:[^/?#\\]*@)?(\[[^\]]*\]|[^:/?#\\\s]*)", re.IGNORECASE)
_WANTED, _DONE = b"+", b"-"
_ENCODE, _DECODE = msgspec.json.Encoder().encode, msgspec.json.Decoder(str).decode


class Chunk(NamedTuple):
    """A file of lines, those of each bucket together; `ends` are the buckets' ends in it, in bytes."""

    path: str
    ends: tuple[int, ...]


def host_of(url: str) -> str:
    """Return the host of a URL of http or https, else the empty string.

    Examples:
        >>> host_of("HTTPS://user@Example.ORG:8080/a.jpg")
        'example.org'
    """
    match = _HOST.match(url)
    return match[1].lower().rstrip(".") if match else ""


def host_key(host: str) -> int:
    """Return 64 bits that stand for a host; the last of them choose its bucket."""
    return int.from_bytes(blake2b(host.encode(errors="replace"), digest_size=8).digest())


def url_digest(url: str) -> bytes:
    """Return 16 bytes that stand for a URL: those that its image is named by."""
    return sha256(url.encode()).digest()[:DIGEST_BYTES]


class UrlWriter:
    """Writes URLs into files by bucket; memory holds at most `chunk_bytes`."""

    def __init__(self, files: Files, start: str, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._files, self._start, self._chunk_bytes = files, start, chunk_bytes
        self._buckets = [bytearray() for _ in range(NUM_BUCKETS)]
        self._num_bytes = 0
        self.chunks: list[Chunk] = []

    def add(self, url: str, *, done: bool = False) -> None:
        """Add a URL that is wanted, or one that is `done` and wanted no more."""
        line = (_DONE if done else _WANTED) + _ENCODE(url) + b"\n"
        self._buckets[host_key(host_of(url)) % NUM_BUCKETS] += line
        self._num_bytes += len(line)
        if self._num_bytes >= self._chunk_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory."""
        if not self._num_bytes:
            return
        path = f"{self._start}{len(self.chunks):05d}.lines"
        ends, end = [], 0
        with self._files.create(path, durable=False) as file:
            for bucket in self._buckets:
                file.write(bytes(bucket))
                end += len(bucket)
                ends.append(end)
                bucket.clear()
        self.chunks.append(Chunk(path, tuple(ends)))
        self._num_bytes = 0


class PartUrls:
    """The URLs of some buckets that are not done, each once, those of a host together.

    `starts` are the numbers of the first URLs of the hosts, and the number of all.
    """

    def __init__(self, files: Files, chunks: Sequence[Chunk], buckets: Sequence[int]) -> None:
        self._file = tempfile.TemporaryFile(prefix="visinstruct-")  # noqa: SIM115  closed by close()
        places, sizes = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        for bucket in buckets:
            of_bucket, of_hosts = _arranged(self._copy(files, chunks, bucket))
            places.append(of_bucket)
            sizes.append(of_hosts)
        self._places = np.concatenate(places)
        self.starts = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> str:
        """Return the text of a URL; one thread at a time."""
        self._file.seek(int(self._places[number]))
        return _DECODE(self._file.readline()[1:])

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    def _copy(
        self, files: Files, chunks: Sequence[Chunk], bucket: int
    ) -> Iterator[tuple[int, bytes]]:
        """Copy the lines of a bucket to the temporary file, and yield each with its place there."""
        at = self._file.seek(0, 2)
        for chunk in chunks:
            start = chunk.ends[bucket - 1] if bucket else 0
            with files.open_binary(chunk.path) as file:
                file.seek(start)
                for line in _lines(file, chunk.ends[bucket] - start):
                    self._file.write(line)
                    yield at, line
                    at += len(line)


def _lines(file: BinaryIO, num_bytes: int) -> Iterator[bytes]:
    """Yield the lines of the next bytes of a file."""
    rest = b""
    while num_bytes:
        data = file.read(min(num_bytes, 1 << 20))
        if not data:
            raise EOFError("a file of URLs is cut off")
        num_bytes -= len(data)
        *whole, rest = (rest + data).split(b"\n")
        yield from (line + b"\n" for line in whole)


def _arranged(
    lines: Iterator[tuple[int, bytes]],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Return the places of the URLs that are left to ask for, by host, and the number of each host's."""
    digests, hosts, places, done = bytearray(), array("Q"), array("Q"), bytearray()
    for at, line in lines:
        url = _DECODE(line[1:])
        digests += url_digest(url)
        hosts.append(host_key(host_of(url)))
        places.append(at)
        done.append(line[:1] == _DONE)
    digest = np.frombuffer(bytes(digests), f"S{DIGEST_BYTES}")
    place = np.frombuffer(places.tobytes(), np.uint64)
    wanted = ~np.frombuffer(bytes(done), np.bool_)
    order = np.lexsort((place, wanted, digest))  # those that are done come first
    digest = digest[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = digest[1:] != digest[:-1]
    kept = order[first & wanted[order]]
    host = np.frombuffer(hosts.tobytes(), np.uint64)[kept]
    by_host = np.lexsort((place[kept], host))
    _, sizes = np.unique(host, return_counts=True)
    return place[kept][by_host], sizes.astype(np.int64)
