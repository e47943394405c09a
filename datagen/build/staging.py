"""The staging folder: unfinished work of a build, from which a killed build resumes.

The folder lies beside the output and is named after the build's fingerprint. `output/` grows into the
dataset; the rest is intermediate. Each file is written atomically, and a JSON report beside it last:
a range or shard with a report is done. Staged ranges are not synced to the disk; a power cut may
truncate one, and then its size is not that of its report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct


class Place(Struct, frozen=True):
    """Rows of one shard in a staged range: bytes in its blocks, rows in its keys."""

    shard: int
    offset: int
    length: int
    first_row: int
    rows: int


class RangeReport(Struct, frozen=True, kw_only=True):
    """Outcomes of the rows of one range.

    `read` counts examples, rejected and filtered ones among them, not rows of the file; `files` has the
    size of each staged file in bytes.
    """

    source: str
    split: str
    number: int
    read: int
    staged: int
    rejected: dict[str, int]
    filtered: dict[str, int]
    reencoded: int
    files: Mapping[str, int]
    places: Sequence[Place]


class ShardReport(Struct, frozen=True, kw_only=True):
    """One finished Parquet file, and the rows of a repeated id that were left out of it.

    `groups` counts its distinct group ids.
    """

    source: str
    split: str
    shard: int
    rows: int
    num_bytes: int
    sha256: str
    duplicates: int
    groups: int


@dataclass(frozen=True)
class Staging:
    """Paths inside the staging folder."""

    root: str

    @property
    def output(self) -> str:
        return f"{self.root}/output"

    def index(self, name: str) -> str:
        return f"{self.root}/index/{name}.npy"

    def pulse(self, name: str) -> str:
        """Return the path of the file in which a worker says that it works; `*` matches all."""
        return f"{self.root}/pulse/{name}"

    def plan_rejections(self, source: str, split: str) -> str:
        return f"{self.root}/ranges/{source}/{split}/plan.rejected.jsonl"

    def range(self, source: str, split: str, number: int, what: str) -> str:
        """Return the path of a staged range's file.

        `what` is blocks, keys, images, rejected.jsonl, media.json (the state of the range's media) or
        report.json.
        """
        return f"{self.root}/ranges/{source}/{split}/{number:06d}.{what}"

    def reports_of_ranges(self, source: str, split: str) -> str:
        """Return a pattern that all reports of a split's staged ranges match."""
        return f"{self.root}/ranges/{source}/{split}/*.report.json"

    def reports_of_shards(self, source: str, split: str) -> str:
        """Return a pattern that all reports of a split's finished shards match."""
        return f"{self.root}/shards/{source}/{split}/*.report.json"

    def shard_name(self, source: str, split: str, shard: int, num_shards: int) -> str:
        return f"data/{source}/{split}-{shard:05d}-of-{num_shards:05d}.parquet"

    def shard(self, source: str, split: str, shard: int, what: str) -> str:
        """Return the path of a shard's file.

        `what` is rejected.jsonl, groups or texts (their digests), or report.json.
        """
        return f"{self.root}/shards/{source}/{split}/{shard:05d}.{what}"
