"""Tables of any cells, as Python's csv module writes them, come back cell for cell with their lines."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.files import LocalFiles
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.readers.data_file import DataFile
from datagen.sources.declared.readers.read import read_rows
from datagen.sources.declared.row import RawRow

CELLS = st.lists(st.sampled_from([*'ab ;,"\n\r\t\\ü😀\u2028\x85', "\r\n"]), max_size=6).map("".join)
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=12)


def read(data: bytes, delimiter: str, encoding: str) -> list[RawRow]:
    definition = Definition.model_validate(
        {
            "name": "a",
            "task": "caption",
            "files": "a.csv",
            "format": {"delimiter": delimiter, "encoding": encoding},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(data)
        found = DataFile(str(path), "a.csv", None, "csv")
        return list(read_rows(LocalFiles(), definition, found, lambda problem: None))


@settings(max_examples=60, deadline=None)
@given(ROWS, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_cells_come_back_as_they_were_written(
    encoding: str, rows: list[tuple[str, str, str]], delimiter: str, line_end: str
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    lines = []
    writer.writerow(["x", "y", "z"])
    for row in rows:
        lines.append(file.getvalue().count("\n") + 1)
        writer.writerow(row)
    found = read(file.getvalue().encode(encoding), delimiter, encoding)
    assert [row.value for row in found] == [dict(zip("xyz", row, strict=True)) for row in rows]
    assert [row.place.line for row in found] == lines
    assert [row.place.row for row in found] == [n + 1 for n in range(len(rows))]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"a", b",", b'"', b"\n", b"\r\n", b"\xfc", b"\xc3\xbc", b" "]), max_size=30
    )
)
def test_any_bytes_behind_a_header_are_rows_or_rejections_on_lines_that_follow(
    parts: list[bytes],
) -> None:
    data = b"x,y\n" + b"".join(parts)
    found = read(data, ",", "utf-8")
    lines = [row.place.line or 0 for row in found]
    assert lines == sorted(set(lines))
    assert all(1 < line <= data.count(b"\n") + 1 for line in lines)
    for row in found:
        row.text.encode()
        if not isinstance(row.value, Rejected):
            assert list(row.value) == ["x", "y"]
            "".join(row.value.values()).encode()
    assert sum(not isinstance(row.value, Rejected) for row in found) <= data.count(b",")
