from pathlib import Path

import pytest

from datagen.files import LocalFiles
from datagen.schema.manifest import ShardEntry
from datagen.shards import RowGroups, ShardError, ShardReader, sha256_of

SHARD = ShardEntry(path="a", rows=3, num_bytes=1, sha256="0")


def test_row_groups_may_be_empty() -> None:
    groups = RowGroups([SHARD, SHARD], [[0, 2, 1], [0, 3]])
    assert groups.num_rows == 6
    assert [(group.number, row) for group, row in map(groups.locate, range(6))] == [
        (1, 0), (1, 1), (2, 0), (1, 0), (1, 1), (1, 2),
    ]  # fmt: skip
    assert [group.first for group in groups.groups] == [0, 0, 2, 3, 3]


def test_no_shards_have_no_rows() -> None:
    assert RowGroups([], []).num_rows == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "/a is missing"),
        (b"xy", "a has 2 bytes, the manifest says 1"),
        (b"x", "/a cannot be read: "),
    ],
)
def test_a_shard_that_is_not_the_manifests_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with (
        ShardReader(str(tmp_path), LocalFiles().open_binary) as reader,
        pytest.raises(ShardError, match=f"{message}.*; build or download the dataset again"),
    ):
        reader.row_counts(SHARD)


def test_the_digest_is_compared_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")

    def digest(shard: ShardEntry, path: str) -> str:
        with open(path, "rb") as file:
            return sha256_of(file)

    with (
        ShardReader(str(tmp_path), LocalFiles().open_binary, digest=digest) as reader,
        pytest.raises(ShardError, match=r"a has sha256 2d711642b726b044.*, the manifest says 0;"),
    ):
        reader.row_counts(SHARD)
