from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from datagen.dataset import to_records
from datagen.schema.record import Image, Record
from trainer.data.reading.row_file import (
    COLUMNS,
    UNUSED_COLUMNS,
    DamagedFileError,
    RowFile,
    write_row_file,
)


def _trained(record: Record) -> Record:
    """Return the part of a record that is kept, as `Record`."""
    changes: dict[str, object] = dict.fromkeys(UNUSED_COLUMNS)
    if record.images is not None:
        changes["images"] = tuple(Image(image.path) for image in record.images)
    if record.choices is None:
        changes["correct_choice"] = None
    return msgspec.structs.replace(record, **changes)


def _plain(record: Record) -> dict[str, object]:
    return msgspec.structs.asdict(record)


def test_every_row_of_every_source_comes_back_as_it_was(
    embedded: Path, referenced: Path, tmp_path: Path
) -> None:
    compared = 0
    for path in sorted(
        [*embedded.glob("data/**/*.parquet"), *referenced.glob("data/**/*.parquet")]
    ):
        with (tmp_path / "rows").open("wb") as file:
            write_row_file(pq.read_table(path, columns=COLUMNS), file)
        rows = RowFile((tmp_path / "rows").open("rb"))
        for number, record in enumerate(to_records(pq.read_table(path))):
            assert _plain(rows.record(number)) == _plain(_trained(record))
            assert rows.images(number) == [image.bytes for image in record.images or ()]
            compared += 1
        assert rows.num_rows == number + 1
    assert compared > 500


@pytest.fixture
def rows_path(embedded: Path, tmp_path: Path) -> Path:
    path = tmp_path / "rows"
    with path.open("wb") as file:
        table = pq.read_table(embedded / "data/vqav2/train-00000-of-00001.parquet", columns=COLUMNS)
        write_row_file(table, file)
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[:-1],
        lambda data: b"\0" * len(data),
        lambda data: data[:8] + b"\xff" * 8 + data[16:],
    ],
    ids=["empty", "head only", "cut off", "zeros", "too many rows"],
)
def test_a_file_that_was_not_written_to_its_end_is_noticed(
    rows_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    rows_path.write_bytes(damage(rows_path.read_bytes()))
    with pytest.raises(DamagedFileError):
        RowFile(rows_path.open("rb"))


def test_images_outlive_the_file(rows_path: Path) -> None:
    (held,) = RowFile(rows_path.open("rb")).images(0)
    rows_path.unlink()
    assert held is not None and len(bytes(held)) > 100
