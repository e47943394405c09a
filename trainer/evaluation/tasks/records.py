"""The records of a split by number, verified against the manifest before the first is used."""

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from datagen.dataset import to_records
from datagen.schema.manifest import Manifest, ShardEntry
from datagen.schema.record import SCHEMA, Record
from datagen.shards import REMEDY, RowGroup, ShardError, ShardReader, sha256_of
from datagen.stores.any_files import AnyFiles
from trainer.errors import EvaluationError
from trainer.evaluation.tasks.tasks import TRAIN

_TEXT_COLUMNS = [
    *(name for name in SCHEMA.names if name not in ("images", "video")),
    "images.list.element.path",
    "video.path",
]


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
        digest = self._digest if verify == "full" else None
        self._shards = ShardReader(directory, files.open_ranges, digest=digest, num_open=1)
        try:
            self._rows = self._shards.row_groups(entry.shards)
        except ShardError as error:
            raise EvaluationError(f"{self.name}: {error}") from None
        if len(self) != entry.written:
            raise EvaluationError(
                f"{self.name}: the manifest says {entry.written:,} records, its shards hold {len(self):,}; "
                f"{REMEDY}"
            )
        self._held: tuple[RowGroup, pa.Table] | None = None

    def __len__(self) -> int:
        return self._rows.num_rows

    def texts(self, most: int | None = None) -> Iterator[Record]:
        """The first `most` records without the bytes of their images, row group by row group."""
        left = len(self) if most is None else min(most, len(self))
        for group in self._rows.groups:
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
            group, _ = self._rows.locate(numbers[at])
            end = bisect_left(numbers, group.first + group.num_rows, at)
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
                f"{self.name}: row {number:,} ({name}) is no record: {error}; {REMEDY}"
            ) from None

    def _whole(self, group: RowGroup) -> pa.Table:
        if self._held is None or self._held[0] != group:
            self._held = None
            self._held = (group, self._read(group, None))
        return self._held[1]

    def _digest(self, shard: ShardEntry, path: str) -> str:
        with self._files.open_ranges(path) as file:
            return sha256_of(file)

    def _read(self, group: RowGroup, columns: list[str] | None) -> pa.Table:
        try:
            return self._shards.read(group.shard, group.number, columns)
        except ShardError as error:
            raise EvaluationError(f"{self.name}: {error}") from None


def read_vocabulary(
    directory: str,
    manifest: Manifest,
    source: str,
    files: AnyFiles,
    splits: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """Read a source's answer vocabulary: that of the training file, most frequent first.

    With `splits`, the answers of the dataset's other splits follow those of the training file; without
    `train` among them, they are all there are.

    Raises:
        EvaluationError: the build made none, with the reason, or the answers of a split are hidden.
    """
    if splits is None:
        return _of_training_file(directory, manifest, source, files)
    known = _of_training_file(directory, manifest, source, files) if TRAIN in splits else ()
    others: Counter[str] = Counter()
    for split in splits:
        if split != TRAIN:
            others.update(_answers(SplitRecords(directory, manifest, source, split, files, "size")))
    for answer in known:
        del others[answer]
    return (*known, *sorted(others, key=lambda answer: (-others[answer], answer)))


def _answers(records: SplitRecords) -> Iterator[str]:
    for record in records.texts():
        if record.answers is None:
            raise EvaluationError(
                f"{records.name}: the answers of {record.record_id} are hidden, and the vocabulary needs them; "
                "take a protocol without this split in vocabulary_splits"
            )
        for answer in record.answers:
            yield from [answer.text] * answer.count


def _of_training_file(
    directory: str, manifest: Manifest, source: str, files: AnyFiles
) -> tuple[str, ...]:
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
        raise EvaluationError(f"{path}: {error.strerror or error}; {REMEDY}") from None
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise EvaluationError(f"{path} does not match its sha256 in the manifest; {REMEDY}")
    answers = pq.read_table(pa.BufferReader(data), columns=["answer"]).column("answer").to_pylist()
    if not all(isinstance(answer, str) for answer in answers):
        raise EvaluationError(f"{path} holds answers that are no text; {REMEDY}")
    return tuple(answers)
