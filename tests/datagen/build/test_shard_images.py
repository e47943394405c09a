from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from datagen.build.shard_images import RowGroup, ShardImages
from datagen.build.shard_writer import _one_ahead
from datagen.build.stage_media import AS_IT_IS, BY_REFERENCE
from datagen.errors import RawDataError
from datagen.files import LocalFiles
from datagen.media.media import MediaRoots

Row = Sequence[tuple[str, tuple[int, int]]] | None
"""The images of a row: path and place; None: it has none."""


class Shard:
    """A range of staged rows, and the folder of their images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "c").mkdir()
        self.roots = MediaRoots({"c": str(folder / "c")}, LocalFiles())
        self.states: dict[str, str] = {}
        self.pack = b""

    def image(self, name: str, data: bytes) -> tuple[str, tuple[int, int]]:
        (self.folder / "c" / name).write_bytes(data)
        self.states[f"c/{name}"] = self.roots.state(f"c/{name}")
        return f"c/{name}", AS_IT_IS

    def packed(self, name: str, data: bytes) -> tuple[str, tuple[int, int]]:
        self.pack += data
        return f"c/{name}", (len(self.pack) - len(data), len(data))

    def row_groups(self, rows: Sequence[Row], max_bytes: int, max_rows: int | None = None) -> Any:
        (self.folder / "0.images").write_bytes(self.pack)
        (self.folder / "0.media.json").write_bytes(msgspec.json.encode(self.states))
        places = pa.list_(pa.struct([("offset", pa.int64()), ("length", pa.int64())]))
        table = pa.table(
            {
                "_range": pa.array([0] * len(rows), pa.int32()),
                "_paths": pa.array(
                    [row and [p for p, _ in row] for row in rows], pa.list_(pa.string())
                ),
                "_packed": pa.array(
                    [
                        row and [dict(zip(("offset", "length"), at, strict=True)) for _, at in row]
                        for row in rows
                    ],
                    places,
                ),
            }
        )
        staged = lambda number, what: f"{self.folder}/{number}.{what}"  # noqa: E731
        with ShardImages(self.roots, LocalFiles(), staged) as images:
            yield from images.row_groups(table, max_bytes, max_rows)

    def read(self, *given: Any) -> list[list[Any]]:
        """The images of each row group, each taken over before the next is asked for, as a writer does."""
        return [as_rows(group) for group in _one_ahead(self.row_groups(*given))]


def as_rows(group: RowGroup) -> list[Any]:
    return [
        images and [(image["path"], image["bytes"]) for image in images]
        for images in group.images.to_pylist()
    ]


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    return Shard(tmp_path)


def test_a_row_group_ends_before_it_has_too_many_bytes(shard: Shard) -> None:
    sizes = [3, 4, 4, 9, 30, 1, 1, 1, 10, 0, 10, 700_000, 2, 900_000, 1]
    rows = [[shard.image(f"{n}.jpg", bytes([n]) * size)] for n, size in enumerate(sizes)]
    groups = shard.read(rows, 10)
    assert [[len(images[0][1]) for images in group] for group in groups] == [
        [3, 4],
        [4],
        [9],
        [30],
        [1, 1, 1],
        [10, 0],
        [10],
        [700_000],
        [2],
        [900_000],
        [1],
    ]
    assert [images for group in groups for images in group] == [
        [(f"c/{n}.jpg", bytes([n]) * size)] for n, size in enumerate(sizes)
    ]


def test_a_row_group_is_valid_while_the_next_one_is_read(shard: Shard) -> None:
    rows = [[shard.image(f"{n}.jpg", bytes([n]) * 5)] for n in range(40)]
    groups = shard.row_groups(rows, 10)
    before = next(groups)
    for number, group in enumerate(groups):
        expected = [[(f"c/{n}.jpg", bytes([n]) * 5)] for n in (2 * number, 2 * number + 1)]
        assert as_rows(before) == expected
        before = group


def test_images_of_all_kinds_may_share_a_row(shard: Shard) -> None:
    rows: list[Row] = [
        [shard.image("a", b"aaa"), ("c/b", BY_REFERENCE), shard.packed("c", b"cc")],
        None,
        [],
        [("c/d", BY_REFERENCE)],
        [shard.packed("e", b"eeeee"), shard.packed("f", b"")],
    ]
    expected = [
        [("c/a", b"aaa"), ("c/b", None), ("c/c", b"cc")],
        None,
        None,
        [("c/d", None)],
        [("c/e", b"eeeee"), ("c/f", b"")],
    ]
    assert shard.read(rows, 100) == [expected]
    assert shard.read(rows, 1) == [expected[:1], expected[1:4], expected[4:]]
    assert shard.read(rows, 100, 2) == [expected[:2], expected[2:4], expected[4:]]


def test_an_image_that_changed_since_its_check_is_not_embedded(shard: Shard) -> None:
    rows = [[shard.image("a", b"aaa")], [shard.image("b", b"bbb")]]
    (shard.folder / "c" / "b").write_bytes(b"cccc")
    with pytest.raises(RawDataError, match="c/b changed since the build checked it"):
        shard.read(rows, 100)
    (shard.folder / "c" / "b").unlink()
    with pytest.raises(RawDataError, match="c/b is not there since the build checked it"):
        shard.read(rows, 100)
    (shard.folder / "c" / "b").symlink_to("/etc/passwd")
    with pytest.raises(RawDataError, match="c/b' is a link out of its collection"):
        shard.read(rows, 100)
