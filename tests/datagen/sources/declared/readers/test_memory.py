"""Rows are read in memory that does not grow with the file."""

import gzip
import os
import tracemalloc
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.files import LocalFiles
from datagen.sources.declared.readers.files import find_files
from datagen.sources.declared.readers.read import read_rows

MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("a.csv", "image,caption\n", f"a.png,{'x' * 2_000}\n"),
        ("a.jsonl", "", f'{{"image": "a.png", "caption": "{"x" * 2_000}"}}\n'),
        ("a.jsonl.gz", "", f'{{"image": "a.png", "caption": "{"x" * 2_000}"}}\n'),
    ],
)
def test_rows_take_no_memory_once_they_are_read(own: Any, name: str, header: str, row: str) -> None:
    data = (header + row * 4_000).encode()
    own.put(name, gzip.compress(data) if name.endswith(".gz") else data)
    definition = own.definition(name)
    (found,) = find_files(definition, LocalFiles())
    tracemalloc.start()
    try:
        rows = read_rows(LocalFiles(), definition, found, lambda problem: None)
        assert sum(1 for _ in rows) == 4_000
        assert tracemalloc.get_traced_memory()[1] < MEGABYTE
    finally:
        tracemalloc.stop()
    assert len(data) > 7 * MEGABYTE


def test_of_a_page_of_images_few_are_copied(own: Any) -> None:
    image = os.urandom(MEGABYTE // 8)
    table = pa.Table.from_pylist([{"image": {"bytes": image, "path": "a.png"}}] * 320)
    pq.write_table(table, own.folder / "a.parquet", compression="none", use_dictionary=False)
    definition = own.definition("a.parquet")
    (found,) = find_files(definition, LocalFiles())
    del table
    before = pa.total_allocated_bytes()
    most = 0
    for row in read_rows(LocalFiles(), definition, found, lambda problem: None):
        assert row.value["image"]["bytes"] == image
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 25 * MEGABYTE  # of 40
