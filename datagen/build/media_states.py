"""State of the media that a build read, and the media that changed since.

An image or video has changed if its size or its time of last change is another. States lie beside each
staged range, so that a resumed build stages ranges with changed media again, and in
`media_states.parquet` of the finished dataset, so that the next run of the same build finds changes.
Times differ from machine to machine: like the report of a run, the file is no part of the bytes that
are equal wherever a dataset is built.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from datagen.build.plan import BuildPlan, SplitPlan
from datagen.build.staging import Staging
from datagen.errors import RowRejectedError
from datagen.files import Files
from datagen.media.media import MISSING, MediaRoots

STATES_NAME = "media_states.parquet"
THREADS = 8
"""Threads that read the states: on remote storage that is mostly waiting."""

_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("split", pa.string()),
        pa.field("path", pa.string()),
        pa.field("state", pa.string()),
    ]
)


@dataclass(frozen=True)
class MediaChange:
    """An image or video that changed since a build read it."""

    path: str
    before: str
    now: str

    def __str__(self) -> str:
        if self.before == MISSING:
            return f"{self.path} was missing"
        return f"{self.path} is missing" if self.now == MISSING else f"{self.path} is another file"


def changes(states: Mapping[str, str], roots: MediaRoots) -> list[MediaChange]:
    """Return the media whose state is not that of `states`, in their order."""
    found = []
    for path, before in states.items():
        try:
            now = roots.state(path)
        except RowRejectedError as error:  # a collection that is no longer known
            now = error.reason.value
        if now != before:
            found.append(MediaChange(path, before, now))
    return found


def write_states(plan: BuildPlan, staging: Staging, files: Files) -> None:
    """Write the states of all staged ranges into the finished dataset."""
    with (
        files.create(f"{staging.output}/{STATES_NAME}") as file,
        pq.ParquetWriter(file, _SCHEMA, compression="zstd") as writer,
    ):
        for split in plan.splits:
            for planned in split.ranges:
                states = _read_states(staging, split, planned.number, files)
                if states:
                    writer.write_table(_table(split, states))


def _table(split: SplitPlan, states: Mapping[str, str]) -> pa.Table:
    columns = [
        pa.repeat(pa.scalar(split.source), len(states)),
        pa.repeat(pa.scalar(split.split), len(states)),
        pa.array(states.keys(), pa.string()),
        pa.array(states.values(), pa.string()),
    ]
    return pa.table(columns, schema=_SCHEMA)


def saved_states(
    dataset: str, files: Files
) -> Iterator[tuple[tuple[str, str], dict[str, str]]] | None:
    """Yield (source, split) and states, as often as there are staged ranges, or return None.

    None: the dataset has no states of media.
    """
    if not files.exists(f"{dataset}/{STATES_NAME}"):
        return None
    return _saved_states(dataset, files)


def _saved_states(dataset: str, files: Files) -> Iterator[tuple[tuple[str, str], dict[str, str]]]:
    with files.open_binary(f"{dataset}/{STATES_NAME}") as file:
        parquet = pq.ParquetFile(file)
        for number in range(parquet.num_row_groups):
            table = parquet.read_row_group(number)
            key = (table["source"][0].as_py(), table["split"][0].as_py())
            yield key, dict(zip(table["path"].to_pylist(), table["state"].to_pylist(), strict=True))


def changed_since(
    dataset: str, roots: MediaRoots, files: Files
) -> dict[tuple[str, str], list[MediaChange]] | None:
    """Return the media that changed since `dataset` was built, by source and split; None if it is unknown."""
    saved = saved_states(dataset, files)
    if saved is None:
        return None
    found: dict[tuple[str, str], dict[str, MediaChange]] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        pending = [(key, pool.submit(changes, states, roots)) for key, states in saved]
        for key, future in pending:
            for change in future.result():
                found.setdefault(key, {}).setdefault(change.path, change)
    return {key: list(each.values()) for key, each in found.items()}


def stale_ranges(
    split: SplitPlan, numbers: Iterable[int], staging: Staging, roots: MediaRoots, files: Files
) -> list[int]:
    """Return those of the staged ranges whose media changed, or whose states cannot be read."""

    def is_stale(number: int) -> bool:
        try:
            states = _read_states(staging, split, number, files)
        except (FileNotFoundError, msgspec.DecodeError):
            return True
        return bool(changes(states, roots))

    numbers = list(numbers)
    with ThreadPoolExecutor(THREADS) as pool:
        return [n for n, stale in zip(numbers, pool.map(is_stale, numbers), strict=True) if stale]


def _read_states(staging: Staging, split: SplitPlan, number: int, files: Files) -> dict[str, str]:
    path = staging.range(split.source, split.split, number, "media.json")
    with files.open_binary(path) as file:
        return msgspec.json.decode(file.read(), type=dict[str, str])
