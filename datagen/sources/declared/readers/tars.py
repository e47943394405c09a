"""Rows of WebDataset tars: the members with one base name make one sample."""

import os
import tarfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from datagen.errors import RawDataError, Reason
from datagen.files import Files
from datagen.raw.rows import decode_row
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.json_keys import repeated_key
from datagen.sources.declared.readers.data_file import (
    DataFile,
    is_image_name,
    is_of_the_system,
)
from datagen.sources.declared.readers.streams import BROKEN_GZIP, cut_off, open_stream
from datagen.sources.declared.row import Place, Problem, RawRow

MAX_MEMBER_BYTES = 256 << 20
_TEXTS = ("txt", "text", "cls", "caption")
_BROKEN = (tarfile.TarError, *BROKEN_GZIP)
_BLOCK = 512


class _Tail:
    """A stream that keeps its last block: a whole tar ends with blocks of zeros."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.block = b""

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        if data:
            self.block = data[-_BLOCK:] if len(data) >= _BLOCK else (self.block + data)[-_BLOCK:]
        return data

    def ends_well(self) -> bool:
        return not self.block.strip(b"\0")


class _Sample:
    """The members of one sample: a column for each suffix, the keys of `.json`, and `image`."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.columns: dict[str, Any] = {}
        self._of_json: dict[str, Any] = {}
        self._image: Any = None
        self._fault: Rejected | None = None

    def add(self, member: str, suffix: str, data: bytes) -> None:
        if suffix in self.columns:
            self._reject(Reason.INCONSISTENT_ROW, f"two members {member!r}")
            return
        value: Any = data
        last = suffix.rpartition(".")[2]
        if is_image_name(f"x.{last}"):
            value = {"bytes": data, "path": member}
            self._image = self._image or value
        elif last == "json":
            value = decode_row(data, Any)
            if not isinstance(value, Rejected):
                value = repeated_key(data, value) or value
            if isinstance(value, Rejected):
                self._reject(value.reason, f"{member}: {value.message}")
            elif isinstance(value, dict):
                self._of_json |= value
        elif last in _TEXTS:
            try:
                value = data.decode("utf-8-sig").strip()
            except UnicodeDecodeError as error:
                at = f"byte {data[error.start]:#04x} at offset {error.start}"
                self._reject(Reason.INVALID_ENCODING, f"{member} is not utf-8: {at}")
        self.columns[suffix] = value

    def _reject(self, reason: Reason, message: str) -> None:
        self._fault = self._fault or Rejected(reason, message)

    def row(self, name: str, number: int) -> RawRow:
        image = {} if self._image is None else {"image": self._image}
        value = self._fault or {**self._of_json, **image, **self.columns}
        return RawRow(Place(name, number, key=self.key), value, self.key)


def sample_rows(
    files: Files, data_file: DataFile, definition: Definition, report: Callable[[Problem], None]
) -> Iterator[RawRow]:
    """Yield one row a sample: a column for each suffix, the keys of `.json`, and `image`, the first image.

    Where a tar is cut off, the samples before are used, without the one that was being read.

    Raises:
        RawDataError: the file is no tar.
    """
    name = data_file.name
    row = 0
    sample: _Sample | None = None
    try:
        with open_stream(files, data_file.path) as file:
            tail = _Tail(file)
            for member, data in _members(tail, name, report):
                base, suffix = _parts(member)
                if sample is None or base != sample.key:
                    if sample is not None:
                        row += 1
                        yield sample.row(name, row)
                    sample = _Sample(base)
                sample.add(member, suffix, data)
            if not tail.ends_well():
                raise tarfile.ReadError("its end mark is missing")
    except _BROKEN as error:
        if sample is None:
            raise RawDataError(f"{name} is no tar file, or is cut off: {error}") from None
        yield RawRow(Place(name), cut_off(name, row, error))
        return
    if sample is not None:
        yield sample.row(name, row + 1)


def _members(
    file: _Tail, name: str, report: Callable[[Problem], None]
) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a tar with their bytes; those that are not read are reported."""
    with tarfile.open(fileobj=cast(Any, file), mode="r|") as tar:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]  # else it remembers every one
            base = os.path.basename(member.name)
            if member.isdir() or is_of_the_system(base) or base.startswith("__"):
                continue
            fault = None
            if not member.isfile():
                fault = ("unsafe_member", "is a link or a device, which is not read")
            elif member.size > MAX_MEMBER_BYTES:
                fault = ("member_too_large", f"has {member.size:,} bytes, which is too many")
            if fault is not None:
                place = Place(name, key=_parts(member.name)[0])
                report(Problem(place, "warn", fault[0], f"the member {member.name!r} {fault[1]}"))
                continue
            opened = tar.extractfile(member)
            assert opened is not None
            yield member.name, opened.read()


def _parts(path: str) -> tuple[str, str]:
    folder, file = os.path.split(path.removeprefix("./"))
    stem, _, suffix = file.partition(".")
    return os.path.join(folder, stem), suffix.lower()
