"""The records of a split by number, verified against the manifest before the first is used."""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from datagen.dataset import to_records
from datagen.schema.manifest import Manifest, ShardEntry
from datagen.schema.record import SCHEMA, Record
from trainer.data.reading.remote import AnyFiles
from trainer.errors import EvaluationError

_REMEDY = "build or download the dataset again"
_TEXT_COLUMNS = [
    *(name for name in SCHEMA.names if name not in ("images", "video")),
    "images.list.element.path",
    "video.path",
]


@dataclass(frozen=True)
class _Group:
    """A row group of a shard and its first row in the split."""

    path: str
    number: int
    first: int
    rows: int


class SplitRecords:
    """The records of one split of a built dataset.

    `sha256` is of its shards' hashes and rows: the same records in the same order.

    Raises:
        EvaluationError: a shard is missing, or not what the manifest says.
    """

    def __init__(
        self,
        directory: str,
        manifest: Manifest,
        source: str,
        split: str,
        files: AnyFiles,
        verify: Literal["size", "full"] = "full",
    ) -> None:
        entry = manifest.split(source, split)
        self.name, self._files = f"{source}/{split}", files
        identity = "".join(f"{shard.sha256} {shard.rows}\n" for shard in entry.shards)
        self.sha256 = hashlib.sha256(identity.encode()).hexdigest()
        self._groups: list[_Group] = []
        self._footers: dict[str, pq.FileMetaData] = {}
        for shard in entry.shards:
            path = f"{directory.rstrip('/')}/{shard.path}"
            self._check(shard, path, verify)
            self._groups += self._read_footer(shard, path)
        self._ends = list(accumulate(group.rows for group in self._groups))
        if len(self) != entry.written:
            raise EvaluationError(
                f"{self.name}: the manifest says {entry.written:,} records, its shards hold {len(self):,}; "
                f"{_REMEDY}"
            )
        self._held: tuple[_Group, pa.Table] | None = None

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def texts(self, most: int | None = None) -> Iterator[Record]:
        """The first `most` records without the bytes of their images, row group by row group."""
        left = len(self) if most is None else min(most, len(self))
        for group in self._groups:
            if left <= 0:
                return
            rows = self._read(group, _TEXT_COLUMNS).slice(0, left)
            left -= len(rows)
            yield from self._records(rows, group.first)

    def rows(self, numbers: Sequence[int]) -> list[Record]:
        """The records of ascending `numbers`, with images that are embedded."""
        records: list[Record] = []
        at = 0
        while at < len(numbers):
            group = self._groups[bisect_right(self._ends, numbers[at])]
            end = bisect_left(numbers, group.first + group.rows, at)
            places = [number - group.first for number in numbers[at:end]]
            records += self._records(self._whole(group).take(places), numbers[at])
            at = end
        return records

    def _records(self, rows: pa.Table, first: int) -> list[Record]:
        try:
            return to_records(rows)
        except msgspec.ValidationError:
            return [self._record(rows.slice(n, 1), first + n) for n in range(len(rows))]

    def _record(self, row: pa.Table, number: int) -> Record:
        try:
            return to_records(row)[0]
        except msgspec.ValidationError as error:
            name = row["record_id"][0].as_py()
            raise EvaluationError(
                f"{self.name}: row {number:,} ({name}) is no record: {error}; {_REMEDY}"
            ) from None

    def _whole(self, group: _Group) -> pa.Table:
        if self._held is None or self._held[0] != group:
            self._held = None
            self._held = (group, self._read(group, None))
        return self._held[1]

    def _check(self, shard: ShardEntry, path: str, verify: Literal["size", "full"]) -> None:
        try:
            size = self._files.size(path)
            digest = self._digest(path) if verify == "full" else shard.sha256
        except OSError as error:
            raise EvaluationError(
                f"{self.name}: {path}: {error.strerror or error}; {_REMEDY}"
            ) from None
        if size != shard.num_bytes or digest != shard.sha256:
            found = f"{size:,} bytes" if size != shard.num_bytes else f"sha256 {digest}"
            said = f"{shard.num_bytes:,} bytes" if size != shard.num_bytes else shard.sha256
            raise EvaluationError(
                f"{self.name}: {path} has {found}, the manifest says {said}: it is not the split that was "
                f"built; {_REMEDY}"
            )

    def _digest(self, path: str) -> str:
        digest = hashlib.sha256()
        with self._files.open_ranges(path) as file:
            while data := file.read(1 << 20):
                digest.update(data)
        return digest.hexdigest()

    def _read_footer(self, shard: ShardEntry, path: str) -> list[_Group]:
        try:
            with self._files.open_ranges(path) as file:
                footer = pq.ParquetFile(file).metadata
            self._footers[path] = footer
        except (OSError, pa.ArrowException) as error:
            raise EvaluationError(f"{self.name}: cannot read {path}: {error}; {_REMEDY}") from None
        counts = [footer.row_group(n).num_rows for n in range(footer.num_row_groups)]
        first = sum(group.rows for group in self._groups)
        starts = accumulate(counts, initial=first)
        return [
            _Group(path, n, start, rows)
            for n, (start, rows) in enumerate(zip(starts, counts, strict=False))
        ]

    def _read(self, group: _Group, columns: list[str] | None) -> pa.Table:
        try:
            with self._files.open_ranges(group.path) as file:
                parquet = pq.ParquetFile(file, metadata=self._footers[group.path])
                return parquet.read_row_group(group.number, columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise EvaluationError(
                f"{self.name}: cannot read row group {group.number} of {group.path}: {error}; {_REMEDY}"
            ) from None


def read_vocabulary(
    directory: str, manifest: Manifest, source: str, files: AnyFiles
) -> tuple[str, ...]:
    """A source's answer vocabulary, most frequent first.

    Raises:
        EvaluationError: the build made none; gives the reason.
    """
    entry = manifest.candidates.get(source)
    if entry is None or entry.path is None:
        reason = entry.reason if entry and entry.reason else "the build made none"
        raise EvaluationError(
            f"{source} is ranked over its answer vocabulary, which this dataset lacks: {reason}. Put the "
            "training file in place and build again, or take a variant that generates"
        )
    path = f"{directory.rstrip('/')}/{entry.path}"
    try:
        with files.open_binary(path) as file:
            data = file.read()
    except OSError as error:
        raise EvaluationError(f"{path}: {error.strerror or error}; {_REMEDY}") from None
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise EvaluationError(f"{path} is not the vocabulary that was built; {_REMEDY}")
    answers = pq.read_table(pa.BufferReader(data), columns=["answer"]).column("answer").to_pylist()
    if not all(isinstance(answer, str) for answer in answers):
        raise EvaluationError(f"{path} holds answers that are no text; {_REMEDY}")
    return tuple(answers)
