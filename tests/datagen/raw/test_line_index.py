import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import RawDataError, Reason
from datagen.files import LocalFiles
from datagen.raw.line_index import check_columns, index_lines, read_header, split_lines
from datagen.raw.rows import WindowRows
from datagen.schema.adapter import Kind, Rejected

FILES = LocalFiles()
windows = st.sampled_from([1, 7, 64, 1 << 20])
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=12
) | st.sampled_from(['"', '""', 'a "quoted" word', "a,b", "line\nbreak", '",\n"', "\u2028", "é😀"])


class Caption(msgspec.Struct):
    id: int
    text: str | None = None


def rows_of(path: Path, kind: Kind, window_bytes: int = 1 << 20, row_type: Any = Caption) -> Any:
    with path.open("rb") as file:
        container = index_lines(file, path.name, kind, window_bytes).containers[()]
    found = [WindowRows(FILES, str(path), container.kind, w, row_type) for w in container.windows]
    assert sum(len(each.values) for each in found) == container.rows
    return [value for each in found for value in each.values], [
        row for each in found for row in each.rows
    ]


@given(st.lists(st.tuples(st.integers(), texts), min_size=1, max_size=9), windows)
def test_any_csv_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]], window_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "text"), *rows])
    values, places = rows_of(path, "csv", window_bytes)
    assert values == [Caption(number, text or None) for number, text in rows]
    data = path.read_bytes()
    assert [data[p.start : p.start + len(p.raw)] for p in places] == [p.raw for p in places]


@given(st.lists(st.tuples(st.integers(-(2**60), 2**60), texts), min_size=1, max_size=9), windows)
def test_any_json_lines_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]], window_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    lines = [json.dumps({"id": number, "text": text}) for number, text in rows]
    path.write_text("\n\n".join(lines) + "\r\n \n", encoding="utf-8")
    values, places = rows_of(path, "lines", window_bytes)
    assert values == [Caption(*row) for row in rows]
    assert [json.loads(bytes(p.raw)) for p in places] == [json.loads(line) for line in lines]


@pytest.mark.parametrize("window_bytes", [1, 8, 1 << 20])
def test_a_broken_line_costs_itself_only(tmp_path: Path, window_bytes: int) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"id": 1}\n{"id": 2, \n{"id": 3, "text": "\xff"}\n{"id": "x"}\n{"id": 5}')
    values, _ = rows_of(path, "lines", window_bytes)
    assert [v.reason if isinstance(v, Rejected) else v.id for v in values] == [
        1,
        Reason.MALFORMED_ROW,
        Reason.INVALID_ENCODING,
        Reason.MALFORMED_ROW,
        5,
    ]


def test_halves_of_a_row_are_never_put_together(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"id": 1}, {"id": 2}\n{"id": 3, "more": [1\n2]}\n')
    values, _ = rows_of(path, "lines")
    assert all(isinstance(value, Rejected) for value in values)
    assert len(values) == 3


def test_a_broken_record_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'id,text\n1,a\n2,b,c\n3\nfour,d\n5,\xff\n6,"two\nlines"\n7,e"\n8,"a" b\n')
    values, _ = rows_of(path, "csv")
    assert [v.reason.value if isinstance(v, Rejected) else (v.id, v.text) for v in values] == [
        (1, "a"),
        "malformed_row",
        "malformed_row",
        "malformed_row",
        "invalid_encoding",
        (6, "two\nlines"),
        (7, 'e"'),
        "malformed_row",
    ]


def test_a_quote_that_is_never_closed_costs_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'id,text\n1,"open\n2,a\n3,b\n')
    values, _ = rows_of(path, "csv", window_bytes=4)
    assert [v.reason.value if isinstance(v, Rejected) else v.id for v in values] == [
        "malformed_row",
        2,
        3,
    ]


def test_an_array_stands_for_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps([{"id": 1}, {"id": 2}], indent=1))
    values, _ = rows_of(path, "lines")
    assert values == [Caption(1), Caption(2)]


@given(st.lists(texts.filter(lambda text: "\n" not in text), min_size=1, max_size=9), windows)
def test_lines_of_text_keep_their_spaces_and_blank_ones_are_none(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], window_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("text") / "rows.txt"
    written = "\n \r\n".join(f"  {line}|" for line in lines)
    path.write_bytes(b"\xef\xbb\xbf" + written.encode())
    values, places = rows_of(path, "text", window_bytes, str)
    assert values == [f"  {line}|" for line in lines]
    data = path.read_bytes()
    assert [data[p.start : p.start + len(p.raw)] for p in places] == [p.raw for p in places]


def test_a_line_of_text_that_is_not_utf_8_is_rejected_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes(b" a\n caf\xe9\n b")
    first, broken, last = rows_of(path, "text", row_type=str)[0]
    assert (first, last) == (" a", " b")
    assert broken.reason == Reason.INVALID_ENCODING


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        ("lines", b"", "is empty"),
        ("lines", b" \n\n", "is cut off"),
        ("lines", b"<!DOCTYPE html>\n<p>Not Found</p>", "has no JSON objects, one a line"),
        ("lines", '{"id": 1}'.encode("utf-16"), "is UTF-16"),
        ("csv", b"", "is empty"),
        ("text", b"", "is empty"),
        ("text", b" \n", "is cut off"),
        ("csv", b"\n \n", "is cut off"),
    ],
)
def test_a_file_without_rows_is_refused(kind: Kind, data: bytes, message: str) -> None:
    with pytest.raises(RawDataError, match=message):
        index_lines(io.BytesIO(data), "rows", kind)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"video,question\n1,what\n", "rows.csv has no column 'id' but video, question"),
        (b'"video\n1,what\n', "rows.csv does not begin with column names"),
        (b"\x89PNG\r\n", "rows.csv does not begin with column names"),
    ],
)
def test_another_files_columns_are_told(data: bytes, message: str) -> None:
    with pytest.raises(RawDataError, match=message):
        check_columns(io.BytesIO(data), "rows.csv", [Caption])


def test_the_header_may_have_a_byte_order_mark_and_spaces(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xef\xbb\xbfid , text\r\n1,a\r\n")
    assert read_header(path.open("rb")) == ["id", "text"]
    assert rows_of(path, "csv")[0] == [Caption(1, "a")]


def test_the_whole_file_is_hashed() -> None:
    data = b"id,text\n" + b"1,a\n" * 100_000
    index = index_lines(io.BytesIO(data), "rows.csv", "csv", window_bytes=100)
    assert (index.num_bytes, index.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert index.containers[()].rows == 100_000
    assert len(index.containers[()].windows) > 30


def test_blank_lines_are_no_rows() -> None:
    assert [row.raw for row in split_lines(b"\n \n{}\n\n", "lines", 10)] == [b"{}"]
    assert split_lines(b"\n \n{}\n\n", "lines", 10)[0].start == 13
