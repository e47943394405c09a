"""Whether a dataset trains on what it is evaluated with.

The paper keeps evaluation data of every set out of all training sets. Pictures shared between, say,
a captioning test set and a question-answering training set are common in public data (both use COCO)
and reported; a shared *example*, the same text about the same picture, is contamination.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.files import Files
from datagen.manifest import Leak, Leakage

TEXT_COLUMNS = ("question", "statement", "text", "captions")


class SplitColumns:
    """Columns of a split's shards, read when asked for."""

    def __init__(self, files: Files, paths: Sequence[str]) -> None:
        self.files, self.paths = files, paths

    def groups(self) -> pa.Array:
        """The distinct group ids."""
        columns = [part["group_id"] for part in self._read(["group_id"])]
        if not columns:
            return pa.array([], pa.string())
        return pc.unique(pa.chunked_array([chunk for c in columns for chunk in c.chunks]))

    def texts(self, groups: pa.Array) -> set[tuple[str, str]]:
        """(group, text) of the examples in `groups`, case and spaces put aside."""
        found: set[tuple[str, str]] = set()
        for part in self._read(["group_id", *TEXT_COLUMNS]):
            rows = part.filter(pc.is_in(part["group_id"], value_set=groups))
            for row in rows.to_pylist():
                found.update((row["group_id"], text) for text in _texts(row))
        return found

    def _read(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        for path in self.paths:
            with self.files.open_binary(path) as file:
                yield pq.read_table(file, columns=list(columns))


def _texts(row: Mapping[str, Any]) -> Iterator[str]:
    for name in TEXT_COLUMNS:
        value = row[name]
        for text in [value] if isinstance(value, str) else value or ():
            yield " ".join(text.lower().split())


def find_leaks(
    training: Mapping[str, SplitColumns], evaluation: Mapping[str, SplitColumns]
) -> Leakage:
    """Compare every training split with every evaluation split; names are `<source>/<split>`."""
    held_out = {name: columns.groups() for name, columns in evaluation.items()}
    leaks = []
    for trained, columns in training.items() if held_out else ():
        mine = columns.groups()
        for name, groups in held_out.items():
            shared = groups.filter(pc.is_in(groups, value_set=mine))
            if len(shared):
                examples = columns.texts(shared) & evaluation[name].texts(shared)
                leaks.append(
                    Leak(
                        training=trained,
                        evaluation=name,
                        groups=len(shared),
                        examples=len(examples),
                    )
                )
    verdict = "clean"
    if leaks:
        verdict = "examples_shared" if any(leak.examples for leak in leaks) else "pictures_shared"
    return Leakage(verdict=verdict, leaks=tuple(leaks))
