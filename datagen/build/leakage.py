"""Leakage: examples and images that training and evaluation splits share.

The paper keeps evaluation data of every set out of all training sets. Images shared between, for example,
a captioning test set and a question-answering training set are common in public data (both use COCO)
and reported; a shared *example*, the same text about the same image, is contamination.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from datagen.build.digests import DigestFile, DigestSet, count_and_compare, write_digests
from datagen.files import Files
from datagen.schema.manifest import Leak, Leakage

TEXT_COLUMNS = ("question", "statement", "text", "captions")


@dataclass(frozen=True)
class ShardDigests:
    """A shard: its Parquet file, its group ids, and where digests of its texts may be kept."""

    path: str
    groups: DigestFile
    texts_path: str

    def texts(self, files: Files) -> DigestFile:
        """Return digests of the shard's texts, each with its group; case and spaces do not count."""
        return write_digests(_grouped_texts(files, self.path), self.texts_path, files)


def _grouped_texts(files: Files, path: str) -> Iterator[str]:
    with files.open_binary(path) as file:
        batches = pq.ParquetFile(file).iter_batches(columns=["group_id", *TEXT_COLUMNS])
        for row in (row for batch in batches for row in batch.to_pylist()):
            for text in _texts(row):
                yield f"{row['group_id']}\n{text}"  # one line each: no other pair reads the same


def _texts(row: Mapping[str, Any]) -> Iterator[str]:
    for name in TEXT_COLUMNS:
        value = row[name]
        for text in [value] if isinstance(value, str) else value or ():
            yield " ".join(text.lower().split())


def find_leaks(
    splits: Mapping[str, Sequence[ShardDigests]],
    training: Collection[str],
    evaluation: Collection[str],
    files: Files,
    max_bytes: int,
) -> tuple[dict[str, int], Leakage]:
    """Count the groups of all splits, and compare every training split with every evaluation split.

    Names are `<source>/<split>`; comparing takes about `max_bytes` of memory.
    """
    groups = {
        name: DigestSet(files, [shard.groups for shard in shards])
        for name, shards in splits.items()
    }
    pairs = [(trained, evaluated) for trained in training for evaluated in evaluation]
    num_groups, shared = count_and_compare(groups, pairs, max_bytes)
    leaking = [pair for pair in pairs if shared[pair]]
    texts = {
        name: DigestSet(files, [shard.texts(files) for shard in splits[name]])
        for name in dict.fromkeys(name for pair in leaking for name in pair)
    }
    _, examples = count_and_compare(texts, leaking, max_bytes)
    verdict = "clean"
    if leaking:
        verdict = "examples_shared" if any(examples.values()) else "images_shared"
    leaks = tuple(
        Leak(
            training=one, evaluation=other, groups=shared[one, other], examples=examples[one, other]
        )
        for one, other in leaking
    )
    return num_groups, Leakage(verdict=verdict, leaks=leaks)
