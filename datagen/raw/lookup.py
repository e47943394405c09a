"""Joins: the rows of one JSON container found by key, without holding them in memory.

An index keeps 20 bytes a row (key, place, length). It is made once, in one pass, and saved beside the
build's other intermediate files for the workers. Rows are read for a whole block of keys at a time.
"""

import hashlib
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from datagen.files import Files
from datagen.raw.gather import open_raw
from datagen.raw.json_index import DECODING_ERRORS, Container, Row
from datagen.raw.rows import decode_row, decode_rows, find_rows
from datagen.schema.adapter import Rejected

ENTRY = np.dtype([("key", "<i8"), ("start", "<i8"), ("length", "<i4")])
MAX_WASTE_BYTES = 1 << 20
_MAX_INTEGER = 10**17


def key_number(key: int | str) -> int:
    """A 64-bit number for a key; `12` and `"12"` have the same, other texts that of their hash."""
    if isinstance(key, str):
        if key.isdecimal() and key.isascii() and (key == "0" or key[0] != "0") and len(key) <= 17:
            return int(key)
        digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
        return -1 - (int.from_bytes(digest, "little") >> 1)
    return key if -1 < key < _MAX_INTEGER else key_number(str(key))


@dataclass(frozen=True)
class KeyIndex:
    """Places of the rows of each key, sorted by key, then place."""

    entries: npt.NDArray[Any]

    def find(self, keys: Sequence[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """First and one past the last entry of each key."""
        wanted = np.asarray(keys, dtype=np.int64)
        column = self.entries["key"]
        return column.searchsorted(wanted, "left"), column.searchsorted(wanted, "right")

    def repeated(self) -> npt.NDArray[Any]:
        """Entries whose key an entry before them has."""
        column = self.entries["key"]
        repeated: npt.NDArray[Any] = self.entries[1:][column[1:] == column[:-1]]
        return repeated

    def without(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Entries whose key is not among `keys`."""
        others: npt.NDArray[Any] = self.entries[~np.isin(self.entries["key"], keys)]
        return others


def index_keys(file: BinaryIO, container: Container, key: str) -> tuple[KeyIndex, list[Row]]:
    """Index a container by the field `key` of its rows; also the rows that have no such key.

    Where the container is an object, its member names are the keys.
    """
    arrays = [np.empty(0, dtype=ENTRY)]
    keyless: list[Row] = []
    for window in container.windows:
        file.seek(window.start)
        data = file.read(window.end - window.start)
        rows = find_rows(data, container.kind, window.start)
        if container.kind == "object":
            keys: list[Any] = [row.key for row in rows]
        else:
            keys = _keys_in(data, rows, key)
        keyless += [row for row, k in zip(rows, keys, strict=True) if not isinstance(k, int | str)]
        entries = [
            (key_number(k), row.start, memoryview(row.raw).nbytes)
            for row, k in zip(rows, keys, strict=True)
            if isinstance(k, int | str)
        ]
        arrays.append(np.array(entries, dtype=ENTRY))
    array = np.concatenate(arrays)
    return KeyIndex(array[np.lexsort((array["start"], array["key"]))]), keyless


def _keys_in(data: bytes, rows: Sequence[Row], key: str) -> list[Any]:
    """The field `key` of every row of an array's window, None where a row has no such field."""
    try:
        return [getattr(row, key) for row in _key_decoder(key).decode(b"[%b]" % data)]
    except DECODING_ERRORS:
        return _keys_one_by_one(rows, key)


def _keys_one_by_one(rows: Sequence[Row], key: str) -> list[Any]:
    values = [decode_row(row.raw, _keyed(key)) for row in rows]
    return [None if isinstance(value, Rejected) else getattr(value, key) for value in values]


@lru_cache(maxsize=16)
def _keyed(key: str) -> Any:
    return msgspec.defstruct("Keyed", [(key, int | str)], gc=False)


@lru_cache(maxsize=16)
def _key_decoder(key: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(list[_keyed(key)])  # type: ignore[misc]


def keys_of(file: BinaryIO, container: Container, field: str) -> npt.NDArray[np.int64]:
    """The key numbers of all rows that have `field`, in any order."""
    numbers: list[int] = []
    for window in container.windows:
        file.seek(window.start)
        data = file.read(window.end - window.start)
        try:
            decoded = _key_decoder(field).decode(b"[%b]" % data)
            numbers += [key_number(getattr(row, field)) for row in decoded]
        except DECODING_ERRORS:  # an object, or some row lacks the field
            rows = find_rows(data, container.kind, window.start)
            keys = _keys_one_by_one(rows, field)
            numbers += [key_number(key) for key in keys if key is not None]
    return np.array(numbers, dtype=np.int64)


def read_rows(
    files: Files, path: str, index: KeyIndex, keys: Sequence[int], row_type: Any
) -> list[list[Any]]:
    """For each key its rows, decoded as `row_type` or `Rejected`, in the order of the file."""
    first, last = index.find(keys)
    counts = last - first
    entries = np.repeat(last - np.cumsum(counts), counts) + np.arange(counts.sum())
    starts, lengths = index.entries["start"][entries], index.entries["length"][entries]
    texts = _read_spans(files, path, starts.tolist(), lengths.tolist())
    rows = iter(decode_rows(texts, row_type))
    return [list(islice(rows, count)) for count in counts.tolist()]


def _read_spans(
    files: Files, path: str, starts: Sequence[int], lengths: Sequence[int]
) -> list[bytes]:
    """The bytes at each start; in one read where they lie close together."""
    if not starts:
        return []
    low = min(starts)
    high = max(map(operator.add, starts, lengths))
    with open_raw(files, path) as file:
        if high - low <= 4 * sum(lengths) + MAX_WASTE_BYTES:
            file.seek(low)
            data = file.read(high - low)
            return [
                data[start - low : start - low + length]
                for start, length in zip(starts, lengths, strict=True)
            ]
        texts = []
        for start, length in zip(starts, lengths, strict=True):
            file.seek(start)
            texts.append(file.read(length))
        return texts
