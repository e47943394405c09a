"""A row group as a file of encoded rows: each can be read alone, straight from the page cache.

    magic, rows, where the first text starts, where each text and then each row's images end
    (native 64-bit numbers), the texts (msgpack, a `TrainingRecord` each), the images (msgpack, a list
    of bytes or nil each).

Texts lie together, so that reading them touches no image.
"""

import hashlib
import mmap
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pyarrow as pa

from datagen.schema.answers import Answer
from datagen.schema.example import Turn
from datagen.schema.record import SCHEMA, Image, Record, Video

FORMAT_VERSION = 1
UNUSED_COLUMNS = ("references", "candidates", "licence", "weight", "relevance")
"""Columns that scoring needs, not training."""
COLUMNS = [name for name in SCHEMA.names if name not in UNUSED_COLUMNS]


class DamagedFileError(Exception):
    """A row file that was not written to its end, or by another version."""


class TrainingRecord(Record, frozen=True, kw_only=True, array_like=True):
    """A record without `UNUSED_COLUMNS` and the bytes of its images."""


def _magic() -> bytes:
    """Eight bytes that differ if another version would read the same file as something else."""
    kinds = (TrainingRecord, Answer, Turn, Image, Video)
    text = repr((FORMAT_VERSION, [kind.__struct_fields__ for kind in kinds]))
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


MAGIC = _magic()
_ENCODER = msgspec.msgpack.Encoder()
_TEXT = msgspec.msgpack.Decoder(TrainingRecord)
_IMAGES = msgspec.msgpack.Decoder(list[memoryview | None])


def write_row_file(table: pa.Table, file: BinaryIO) -> None:
    """Write the rows of `table`, which has `COLUMNS`."""
    read = {name: _values(table[name]) for name in COLUMNS if name != "images"}
    columns = {name: values for name, values in read.items() if values is not None}
    if "tags" in columns:
        columns["tags"] = [None if tags is None else dict(tags) for tags in columns["tags"]]
    paths, encoded_images = _images(table["images"].combine_chunks())
    columns["images"] = paths
    if columns.get("correct_choice") and "choices" not in columns:
        del columns["correct_choice"]  # it counts candidates, which are not here
    names = tuple(columns)
    texts = [
        _ENCODER.encode(TrainingRecord(**dict(zip(names, row, strict=True))))
        for row in zip(*columns.values(), strict=True)
    ]
    encoded = [_ENCODER.encode(each) for each in encoded_images]
    start = len(MAGIC) + 8 * (2 + 2 * len(texts))
    places = accumulate(map(len, [*texts, *encoded]), initial=start)
    file.write(MAGIC)
    file.write(array("Q", [len(texts), *places]).tobytes())
    file.writelines(texts)
    file.writelines(encoded)


class RowFile:
    """The rows of an opened row file, which is closed when the last image of it is let go."""

    def __init__(self, file: BinaryIO) -> None:
        with file:
            size = file.seek(0, 2)
            if size < len(MAGIC) + 16:
                raise DamagedFileError
            self._data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        head = len(MAGIC) + 8
        self.num_rows: int = self._data[len(MAGIC) : head].cast("Q")[0]
        start = head + 8 * (2 * self.num_rows + 1)
        if self._data[: len(MAGIC)] != MAGIC or size < start:
            raise DamagedFileError
        self._places = self._data[head:start].cast("Q")
        if self._places[-1] != size:
            raise DamagedFileError

    def record(self, row: int) -> Record:
        """A row without its images' bytes."""
        return _TEXT.decode(self._part(row))

    def images(self, row: int) -> list[memoryview | None]:
        """The bytes of a row's images, not copied; None for those kept by reference."""
        return _IMAGES.decode(self._part(self.num_rows + row))

    def _part(self, number: int) -> memoryview:
        return self._data[self._places[number] : self._places[number + 1]]


def _values(column: pa.ChunkedArray) -> list[Any] | None:
    """A column as Python values, or None if it is null throughout."""
    if column.null_count == len(column):
        return None
    values = column.combine_chunks()
    if pa.types.is_list(values.type):
        return _lists(values, _item_reader(values.type.value_type))
    if pa.types.is_struct(values.type):
        return [
            None if v is None else Video(v["path"], v["frame_times"]) for v in values.to_pylist()
        ]
    return _plain(values)


def _plain(column: pa.Array) -> list[Any]:
    """Strings, numbers and flags; through numpy, which is a tenth of `to_pylist`'s time."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count and not pa.types.is_string(column.type):
        return list(column.to_pylist())
    return list(column.to_numpy(zero_copy_only=False).tolist())


def _lists(column: pa.ListArray, read: Callable[[pa.Array], Sequence[Any]]) -> list[Any]:
    """Each row's items; `read` turns all items, one after the other, into values."""
    offsets = column.offsets.to_numpy().tolist()
    items = read(column.values)
    rows: list[Any] = [tuple(items[start:end]) for start, end in pairwise(offsets)]
    if column.null_count:
        for row in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
            rows[row] = None
    return rows


def _item_reader(kind: pa.DataType) -> Callable[[pa.Array], Sequence[Any]]:
    if not pa.types.is_struct(kind):
        return _plain
    names = tuple(field.name for field in kind)
    return partial(_structs, names=names, make=_MAKERS[names])


def _structs(items: pa.Array, names: Sequence[str], make: Callable[..., Any]) -> list[Any]:
    return [make(*row) for row in zip(*(_plain(items.field(n)) for n in names), strict=True)]


def _tag(key: str, value: str) -> tuple[str, str]:
    return key, value


_MAKERS: dict[tuple[str, ...], Callable[..., Any]] = {
    ("text", "count"): Answer,
    ("question", "answer"): Turn,
    ("key", "value"): _tag,
}


def _images(column: pa.ListArray) -> tuple[list[Any], list[list[bytes | None]]]:
    """The images of each row without their bytes, and the bytes alone."""
    items = column.values
    paths = [Image(path) for path in _plain(items.field("path"))]
    data = items.field("bytes").to_pylist() if len(items) else []
    bare = _lists(column, lambda _: paths)
    return bare, [list(row or ()) for row in _lists(column, lambda _: data)]
