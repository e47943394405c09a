"""Images of a shard, read into the row groups that are written of them.

The images of a row group lie one after the other in memory that is used again for the row group after the next. Arrow
takes them from there as they are: reading an image makes no object and no copy of it.
"""

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import BinaryIO, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from datagen.build.stage_media import AS_IT_IS, BY_REFERENCE
from datagen.errors import RawDataError, RowRejectedError
from datagen.files import Files
from datagen.media.media import PACKED, MediaRoots
from datagen.schema.columns import list_column
from datagen.schema.record import SCHEMA

_SPARE_BYTES = 1 << 18
"""Room for the row that is one too many for a row group."""
_FIELDS = list(SCHEMA.field("images").type.value_type)


class RowGroup(NamedTuple):
    """A run of a table's rows and their `images` column, valid until the row group after the next is asked for."""

    first: int
    num_rows: int
    images: pa.Array


class ShardImages:
    """Reads the images of a shard's staged rows. `staged(number, what)` is the path of a staged range's file."""

    def __init__(self, roots: MediaRoots, files: Files, staged: Callable[[int, str], str]) -> None:
        self._roots, self._files, self._staged = roots, files, staged
        self._packs: dict[int, BinaryIO] = {}
        self._states: dict[int, dict[str, str]] = {}

    def __enter__(self) -> "ShardImages":
        return self

    def __exit__(self, *_: object) -> None:
        for pack in self._packs.values():
            pack.close()

    def row_groups(
        self, table: pa.Table, max_bytes: int, max_rows: int | None
    ) -> Iterator[RowGroup]:
        """Yield runs of staged rows with at most `max_bytes` of images, unless one row has more, and `max_rows`.

        Raises:
            RawDataError: An image is not the one that was checked.
        """
        ranges = table["_range"].to_pylist()
        all_paths, all_places = _lists(table["_paths"]), _places(table["_packed"])
        first = 0
        group, following = _Group(max_bytes), _Group(max_bytes)
        for number, paths, places in zip(ranges, all_paths, all_places, strict=True):
            group.begin_row()
            for path, place in zip(paths, places or [BY_REFERENCE] * len(paths), strict=True):
                self._read(group, number, path, place)
            too_many = max_rows is not None and group.num_rows > max_rows
            if group.num_rows > 1 and (too_many or group.num_bytes > max_bytes):
                last = group.drop_last_row()
                yield RowGroup(first, group.num_rows, group.column())
                first += group.num_rows
                following.start_with(last)  # only now is its memory free
                group, following = following, group
        yield RowGroup(first, group.num_rows, group.column())

    def _read(self, group: "_Group", number: int, path: str, place: tuple[int, int]) -> None:
        name = self._roots.record_path(path)
        if place == BY_REFERENCE:
            group.add_reference(name)
        elif place == AS_IT_IS:
            self._read_original(group, number, path, name)
        else:
            offset, length = place
            if number not in self._packs:
                self._packs[number] = self._files.open_binary(self._staged(number, "images"))
            self._packs[number].seek(offset)
            group.add(name, self._packs[number], length)

    def _read_original(self, group: "_Group", number: int, path: str, name: str) -> None:
        """Read an image that is embedded as it is, if it is still the one that was checked."""
        if number not in self._states:
            with self._files.open_binary(self._staged(number, "media.json")) as file:
                self._states[number] = msgspec.json.decode(file.read(), type=dict[str, str])
        before = self._states[number].get(path, PACKED)
        try:
            with self._roots.open(path) as file:
                group.add(name, file)
                changed = "" if self._roots.state_of(file, path) == before else f"{path} changed"
        except RowRejectedError as error:
            changed = error.message
        if changed:
            raise RawDataError(
                f"{changed} since the build checked it; nothing was published, start the same command "
                "again: it checks what changed, and keeps the rest"
            )


class _Row(NamedTuple):
    """A row's images: their paths, their lengths (None for a reference), and their bytes."""

    paths: list[str]
    lengths: list[int | None]
    data: memoryview


class _Group:
    """A row group in the making."""

    def __init__(self, num_bytes: int) -> None:
        self._memory = bytearray(num_bytes + _SPARE_BYTES)
        self.num_bytes = 0
        self._rows: list[list[str]] = []
        self._lengths: list[int | None] = []

    @property
    def num_rows(self) -> int:
        return len(self._rows)

    def begin_row(self) -> None:
        self._rows.append([])

    def add_reference(self, path: str) -> None:
        """Add an image without bytes to the row."""
        self._rows[-1].append(path)
        self._lengths.append(None)

    def add(self, path: str, file: BinaryIO, num_bytes: int | None = None) -> None:
        """Add an image to the row: the next `num_bytes` of a file, or its rest."""
        before = self.num_bytes
        end = None if num_bytes is None else before + num_bytes
        if end is not None:
            self._make_room(end)
        while self.num_bytes != end:
            if self.num_bytes == len(self._memory):
                self._make_room(2 * self.num_bytes)
            read = file.readinto(memoryview(self._memory)[self.num_bytes : end])  # type: ignore[attr-defined]
            if not read:
                break
            self.num_bytes += read
        self._rows[-1].append(path)
        self._lengths.append(self.num_bytes - before)

    def drop_last_row(self) -> "_Row":
        """Take the last row out; its bytes stay where they are."""
        paths = self._rows.pop()
        start = len(self._lengths) - len(paths)
        lengths = self._lengths[start:]
        del self._lengths[start:]
        end = self.num_bytes
        self.num_bytes -= sum(length or 0 for length in lengths)
        return _Row(paths, lengths, memoryview(self._memory)[self.num_bytes : end])

    def start_with(self, row: "_Row") -> None:
        """Hold this row alone."""
        self._rows, self._lengths = [row.paths], row.lengths
        self.num_bytes = 0
        self._make_room(len(row.data))
        self.num_bytes = len(row.data)
        self._memory[: self.num_bytes] = row.data

    def column(self) -> pa.Array:
        """Return the `images` of the rows; null for a row without images."""
        lengths = self._lengths
        offsets = pa.array(accumulate((length or 0 for length in lengths), initial=0), pa.int32())
        valid = None
        if None in lengths:
            valid = pa.array([length is not None for length in lengths]).buffers()[1]
        buffers = [valid, offsets.buffers()[1], pa.py_buffer(self._memory)]
        data = pa.Array.from_buffers(pa.binary(), len(lengths), buffers)

        def images(paths: list[str]) -> pa.Array:
            return pa.StructArray.from_arrays([data, pa.array(paths, pa.string())], fields=_FIELDS)

        return list_column([row or None for row in self._rows], images)

    def _make_room(self, num_bytes: int) -> None:
        """Hold at least `num_bytes`: in new memory, since Arrow may still look at the old."""
        if num_bytes > len(self._memory):
            memory = bytearray(num_bytes + _SPARE_BYTES)
            memory[: self.num_bytes] = memoryview(self._memory)[: self.num_bytes]
            self._memory = memory


def _lists(column: pa.ChunkedArray) -> Iterator[list[str]]:
    """Yield the texts of each row; none for null."""
    texts = iter(pc.list_flatten(column).to_pylist())
    for length in pc.fill_null(pc.list_value_length(column), 0).to_pylist():
        yield [next(texts) for _ in range(length)]


def _places(column: pa.ChunkedArray) -> Iterator[list[tuple[int, int]]]:
    """Yield the places of each row's images; none for null."""
    flat = pc.list_flatten(column)
    fields = (pc.struct_field(flat, name).to_pylist() for name in ("offset", "length"))
    places = zip(*fields, strict=True)
    for length in pc.fill_null(pc.list_value_length(column), 0).to_pylist():
        yield [next(places) for _ in range(length)]
