"""Sets of texts of any size, counted and compared in bounded memory.

A text is kept as a digest of 16 bytes; that two of a thousand million texts have the same one has a
chance below 1e-20. The digests of each part of a set lie sorted in a file, so that the same range of
digests can be read from all files, and counted, without the rest.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from datagen.files import Files

DIGEST_BYTES = 16
WORKING_BYTES = 6 * DIGEST_BYTES
"""A digest's share of the memory while its range is read, sorted and compared."""

Digests: TypeAlias = npt.NDArray[np.bytes_]


class DigestFile(NamedTuple):
    """Sorted digests, each once."""

    path: str
    num_digests: int


def write_digests(texts: Iterable[str], path: str, files: Files) -> DigestFile:
    """Keep the digests of `texts` at `path`."""
    data = b"".join([blake2b(t.encode(), digest_size=DIGEST_BYTES).digest() for t in texts])
    digests = _distinct(_array(data))
    with files.create(path) as file:
        file.write(digests.tobytes())
    return DigestFile(path, len(digests))


@dataclass(frozen=True)
class DigestSet:
    """A set of texts: the union of the digests in several files."""

    files: Files
    parts: Sequence[DigestFile]

    @property
    def num_digests(self) -> int:
        """Those that several files hold counted several times."""
        return sum(part.num_digests for part in self.parts)

    def range(self, number: int, num_ranges: int) -> Digests:
        """Return the distinct members in range `number` of `num_ranges` equal ones, sorted."""
        found = []
        for part in self.parts:
            with self.files.open_binary(part.path) as file:
                first, end = (_place(file, part, n, num_ranges) for n in (number, number + 1))
                file.seek(first * DIGEST_BYTES)
                found.append(file.read((end - first) * DIGEST_BYTES))
        return _distinct(_array(b"".join(found)))


def count_and_compare(
    sets: Mapping[str, DigestSet], pairs: Collection[tuple[str, str]], max_bytes: int
) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Return the number of members of every set, and the number that each of `pairs` has in common.

    Takes about `max_bytes` of memory, however large the sets: as many ranges as that needs are
    counted one after the other.
    """
    counts, shared = dict.fromkeys(sets, 0), Counter(dict.fromkeys(pairs, 0))
    num_digests = sum(each.num_digests for each in sets.values())
    num_ranges = 1 + num_digests * WORKING_BYTES // max_bytes
    for number in range(num_ranges):
        members = {name: each.range(number, num_ranges) for name, each in sets.items()}
        for name, digests in members.items():
            counts[name] += len(digests)
        for one, other in pairs:
            shared[one, other] += _num_shared(members[one], members[other])
    return counts, dict(shared)


def _array(data: bytes) -> Digests:
    return np.frombuffer(data, dtype=f"S{DIGEST_BYTES}")


def _distinct(digests: Digests) -> Digests:
    """Sorted, each once; numpy sorts pairs of numbers in half the time of bytes."""
    high, low = digests.view(">u8").reshape(-1, 2).T.astype(np.uint64)
    ordered = digests[np.lexsort((low, high))]
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    distinct: Digests = ordered[first]
    return distinct


def _place(file: BinaryIO, part: DigestFile, number: int, num_ranges: int) -> int:
    """Return the offset in a file at which range `number` begins."""
    if number == num_ranges:
        return part.num_digests

    def digest(place: int) -> bytes:
        file.seek(place * DIGEST_BYTES)
        return file.read(DIGEST_BYTES)

    least = ((number << (8 * DIGEST_BYTES)) // num_ranges).to_bytes(DIGEST_BYTES, "big")
    return bisect_left(range(part.num_digests), least, key=digest)


def _num_shared(one: Digests, other: Digests) -> int:
    few, many = sorted((one, other), key=len)
    if not len(few):
        return 0
    places = np.searchsorted(many, few)
    return int(np.count_nonzero(many[np.minimum(places, len(many) - 1)] == few))
