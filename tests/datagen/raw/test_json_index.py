import hashlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datagen.errors import RawDataError
from datagen.raw.json_index import MAX_ROW_BYTES, Container, JsonIndex, Row, index_json, split_rows
from datagen.schema.adapter import JsonPath

WINDOWS = (16, 17, 31, 64, 257, 4_096, 1 << 20)
NASTY = (
    '}, {"id": 1',
    '"}]',
    "\\",
    '\\"',
    "\u2028",
    "é",
    "😀",
    "],[",
    '{"a": [',
    '"',
    "\r\n\t\x07",
)

texts = st.one_of(st.text(max_size=12), st.lists(st.sampled_from(NASTY), max_size=4).map("".join))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.builds(
    lambda number, more: {"id": number, **more}, st.integers(), st.dictionaries(texts, values)
)
arrays_of_rows = st.lists(objects, max_size=12) | st.lists(values, max_size=12)
objects_of_rows = st.dictionaries(texts, objects | values, max_size=12)
layouts = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 0, 1, 4, "\t"]),
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (" ,\r\n ", "\t:  ")]),
    }
)
paths = st.sampled_from([(), ("rows",), ("data", "rows")])


def document(rows: Any, path: JsonPath, before: Any = None, after: Any = None) -> Any:
    """`rows` at `path`, other members before and after."""
    for name in reversed(path):
        rows = {"info": before, name: rows, "rest": after}
    return rows


def index(data: bytes, path: JsonPath = (), window_bytes: int = 1 << 20) -> JsonIndex:
    return index_json(io.BytesIO(data), "some.json", [path], window_bytes)


def rows_of(data: bytes, container: Container) -> list[Row]:
    """All rows, window by window; checks that windows are in order and leave nothing out."""
    rows: list[Row] = []
    position = container.start + 1
    for number, window in enumerate(container.windows):
        between = data[position : window.start].strip()
        assert between == (b"," if number else b"")
        found = split_rows(data[window.start : window.end], container.kind, window.start)
        assert len(found) == window.rows
        rows += found
        position = window.end
    assert not data[position : container.end - 1].strip()
    for row in rows:
        assert data[row.start : row.start + len(bytes(row.raw))] == bytes(row.raw)
    return rows


@given(arrays_of_rows, paths, values, values, layouts, st.sampled_from(WINDOWS))
@settings(max_examples=120)
def test_the_windows_of_an_array_hold_every_row_in_its_place(
    rows: list[Any], path: JsonPath, before: Any, after: Any, layout: Any, window_bytes: int
) -> None:
    data = json.dumps(document(rows, path, before, after), **layout).encode()
    container = index(data, path, window_bytes).containers[path]
    assert container.kind == "array"
    assert json.loads(data[container.start : container.end]) == rows
    found = rows_of(data, container)
    assert [json.loads(bytes(row.raw)) for row in found] == rows
    assert [row.key for row in found] == [None] * len(rows)


@given(objects_of_rows, paths, layouts, st.sampled_from(WINDOWS))
@settings(max_examples=120)
def test_the_windows_of_an_object_hold_every_row_with_its_key(
    rows: dict[str, Any], path: JsonPath, layout: Any, window_bytes: int
) -> None:
    data = json.dumps(document(rows, path), **layout).encode()
    container = index(data, path, window_bytes).containers[path]
    assert container.kind == "object"
    found = [(row.key, json.loads(bytes(row.raw))) for row in rows_of(data, container)]
    assert found == list(rows.items())


@given(
    st.lists(st.tuples(st.sampled_from("abc"), values), max_size=10),
    st.sampled_from([", ", ",", " ,\n\t"]),
    st.sampled_from(WINDOWS),
)
@example([("a", 1), ("a", 2), ("b", 3)], ", ", 1 << 20)
@example([("a", 1), ("b", 2), ("a", 3)], ", ", 1 << 20)
@example([("a", 1), ("b", 2), ("b", 3)], ", ", 1 << 20)
def test_an_object_that_repeats_a_key_keeps_every_member(
    members: list[tuple[str, Any]], comma: str, window_bytes: int
) -> None:
    text = comma.join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in members)
    data = f"{{{text}}}".encode()
    rows = rows_of(data, index(data, (), window_bytes).containers[()])
    assert [(row.key, json.loads(bytes(row.raw))) for row in rows] == members


@given(st.lists(texts, max_size=20), layouts, st.sampled_from(WINDOWS))
def test_a_list_of_strings_is_cut_between_strings(
    strings: list[str], layout: Any, window_bytes: int
) -> None:
    data = json.dumps(strings, **layout).encode()
    rows = rows_of(data, index(data, (), window_bytes).containers[()])
    assert [json.loads(bytes(row.raw)) for row in rows] == strings


def test_rows_larger_than_the_window_are_whole() -> None:
    rows = [{"id": n, "text": "x" * length} for n, length in enumerate((10, 5_000, 40, 70_000))]
    data = json.dumps(rows).encode()
    container = index(data, (), 16).containers[()]
    assert [json.loads(bytes(row.raw)) for row in rows_of(data, container)] == rows
    assert len(container.windows) >= 3


def test_windows_are_about_as_long_as_asked_for() -> None:
    rows = [{"id": n, "text": "some words of a caption"} for n in range(5_000)]
    data = json.dumps(rows).encode()
    container = index(data, (), 4_096).containers[()]
    sizes = [window.end - window.start for window in container.windows]
    assert max(sizes) <= 2 * 4_096
    assert len(sizes) == pytest.approx(len(data) / 4_096, rel=0.1)
    assert container.rows == 5_000


def test_no_more_than_a_few_windows_of_the_file_are_in_memory() -> None:
    class Watched(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert size >= 0
            self.largest = max(self.largest, size)
            return super().read(size)

    file = Watched(json.dumps([{"id": n} for n in range(20_000)]).encode())
    assert index_json(file, "f", [()], 1_000).containers[()].rows == 20_000
    assert file.largest == 1_000


def test_several_containers_of_one_document_are_found_in_one_pass() -> None:
    text = {"data": {"questions": ["a", "b"], "answers": ["c"], "dialogs": [{"id": 1}]}, "v": "1"}
    wanted = [("data", name) for name in ("questions", "answers", "dialogs")]
    found = index_json(io.BytesIO(json.dumps(text).encode()), "f", wanted, 16).containers
    assert {path[1]: each.rows for path, each in found.items()} == {
        "questions": 2,
        "answers": 1,
        "dialogs": 1,
    }


def test_the_index_knows_the_files_size_and_hash() -> None:
    data = b'\xef\xbb\xbf {"rows": [1, 2]}\n\n'
    found = index(data, ("rows",), 16)
    assert (found.num_bytes, found.sha256) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("window_bytes", WINDOWS)
def test_a_byte_order_mark_is_stepped_over(window_bytes: int) -> None:
    data = b'\xef\xbb\xbf[{"id": 1}, {"id": 2}]'
    container = index(data, (), window_bytes).containers[()]
    assert [row.start for row in rows_of(data, container)] == [4, 15]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused(encoding: str) -> None:
    mark = b"" if encoding == "utf-16" else "\ufeff".encode(encoding)
    with pytest.raises(RawDataError, match=r"some\.json is UTF-16, not UTF-8; convert it"):
        index(mark + '[{"id": 1}]'.encode(encoding))


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        (b"", (), r"some\.json is empty; download it again"),
        (b" \n\t ", (), r"is cut off at byte 4 of 4"),
        (b'"rows"', (), r"has no array or object for its rows at byte 0 of 6"),
        (b'{"rows": 5}', ("rows",), r"has no array or object for rows at byte 9 of 11"),
        (b'{"rows": [1]} x', ("rows",), r"has text after its end at byte 14 of 15"),
        (b'[{"id": 1}]\n[{"id": 2}]', (), r"has text after its end at byte 12 of 23"),
        (b'{"rows": [1} }', ("rows",), r"comma or closing bracket is expected at byte 11"),
        (b'[{"id": [1}]', (), r"its brackets do not match at byte 10 of 12"),
        (b'{"a": 1 "rows": []}', ("rows",), r"is not JSON: a comma is expected at byte 8"),
        (b'{rows: []}', ("rows",), r"is not JSON: a member name is expected at byte 1"),
        (b'{"a": }', ("rows",), r"is not JSON at byte 6 of 7"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused_with_its_place(
    data: bytes, path: JsonPath, message: str
) -> None:
    for window_bytes in WINDOWS:
        with pytest.raises(RawDataError, match=message):
            index(data, path, window_bytes)


def test_a_web_page_that_was_saved_instead_is_refused() -> None:
    with pytest.raises(RawDataError, match=r"has no array or object for its rows at byte 0"):
        index(b"<!DOCTYPE html><html><body>404: Not Found</body></html>")


@pytest.mark.parametrize("window_bytes", [16, 64, 1 << 20])
def test_a_file_cut_off_anywhere_is_refused_with_its_place(window_bytes: int) -> None:
    rows = [{"id": n, "text": 'a "quoted" \\ } é', "more": [{"id": 1}, None]} for n in range(4)]
    text = document(rows, ("data", "rows"), before={"version": "1", "n": 1.5}, after=["x", {}])
    data = json.dumps(text, ensure_ascii=False).encode()
    assert index(data, ("data", "rows"), window_bytes).containers[("data", "rows")].rows == 4
    for length in range(len(data)):
        with pytest.raises(RawDataError, match=r"at byte \d+ of \d+; download|is empty; download"):
            index(data[:length], ("data", "rows"), window_bytes)


def test_a_cut_off_file_says_how_many_rows_were_whole() -> None:
    data = json.dumps([{"id": n} for n in range(10)]).encode()
    message = r"is cut off inside its array, after 3 more whole rows, at byte 39 of 39"
    with pytest.raises(RawDataError, match=message):
        index(data[:39])


@given(
    arrays_of_rows,
    st.lists(st.tuples(st.integers(0), st.sampled_from(b'{}[]",:\\ \xff1')), max_size=4),
    st.sampled_from(WINDOWS[:4]),
)
@settings(max_examples=120)
def test_a_damaged_file_is_refused_or_every_window_size_finds_the_same_rows(
    rows: list[Any], damage: list[tuple[int, int]], window_bytes: int
) -> None:
    damaged = bytearray(json.dumps(rows).encode())
    for place, byte in damage:
        damaged[place % len(damaged)] = byte
    data = bytes(damaged)
    found: list[Sequence[Row] | None] = []
    for size in (window_bytes, 1 << 20):
        try:
            rows_found = rows_of(data, index(data, (), size).containers[()])
            found.append([(row.start, bytes(row.raw), row.key) for row in rows_found])
        except RawDataError as error:
            assert re.search(r"at byte \d+ of \d+", str(error))
            found.append(None)
    assert found[0] == found[1]


def test_a_malformed_row_costs_itself_only() -> None:
    good = [json.dumps({"id": n, "text": "}, {"}) for n in range(200)]
    good[77] = '{"id": 77, "text": NaN, }'
    data = f"[{', '.join(good)}]".encode()
    for window_bytes in WINDOWS:
        rows = rows_of(data, index(data, (), window_bytes).containers[()])
        assert [bytes(row.raw).decode() for row in rows] == good


def test_bytes_that_are_no_text_stay_in_their_row() -> None:
    data = b'{"a\xff": {"id": 1}, "b": {"name": "caf\xe9"}, "\\ud800": {"id": 3}}'
    for window_bytes in WINDOWS:
        rows = rows_of(data, index(data, (), window_bytes).containers[()])
        assert [row.key for row in rows] == [None, "b", None]
        assert [bytes(row.raw) for row in rows] == [
            b'{"id": 1}',
            b'{"name": "caf\xe9"}',
            b'{"id": 3}',
        ]


def test_a_member_that_is_no_text_does_not_hide_the_others() -> None:
    data = b'{"info": {"name\xff": "caf\xe9"}, "rows": [1, 2, 3]}'
    assert index(data, ("rows",)).containers[("rows",)].rows == 3


def test_rows_nested_too_deeply_for_a_parser_are_rows_all_the_same() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    data = b'[{"id": 1}, %b, {"id": 2}]' % deep
    rows = rows_of(data, index(data).containers[()])
    assert [len(bytes(row.raw)) for row in rows] == [9, 200_000, 9]


def test_a_row_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_ROW_BYTES == 256 << 20
    monkeypatch.setattr("datagen.raw.json_index.MAX_ROW_BYTES", 1_000)
    data = b'[{"id": "%b"}]' % (b"x" * 5_000)
    with pytest.raises(RawDataError, match="has a row of more than 1000 bytes at byte 1"):
        index(data, (), 64)


def test_a_wanted_member_is_found_by_its_escaped_name() -> None:
    assert index(rb'{"ro\u0077s": [1]}', ("rows",)).containers[("rows",)].rows == 1


def test_of_a_member_that_is_there_twice_the_last_one_counts_as_in_json() -> None:
    data = b'{"rows": [1], "rows": [2, 3]}'
    assert index(data, ("rows",)).containers[("rows",)].rows == len(json.loads(data)["rows"]) == 2


def test_a_path_that_is_not_there_names_what_is() -> None:
    data = b'{"info": {}, "images": [], "licenses": 5}'
    message = (
        r"some\.json has no member 'questions' but info, images, licenses; "
        r"is it another dataset's file\?"
    )
    with pytest.raises(RawDataError, match=message):
        index(data, ("questions",))
    with pytest.raises(RawDataError, match=r"has no member 'data/dialogs' but info, images"):
        index(data, ("data", "dialogs"))
    with pytest.raises(RawDataError, match=r"has no member 'questions' but no members"):
        index(b"[1, 2]", ("questions",))


def test_an_empty_container_has_no_windows() -> None:
    for data in (b"[]", b"{}", b" [ \n ] ", b"{\t}"):
        container = index(data).containers[()]
        assert (container.rows, container.windows) == (0, ())


def test_a_container_knows_its_size() -> None:
    container = index(b'{"rows": [1, 22]}', ("rows",)).containers[("rows",)]
    assert (container.start, container.end, container.num_bytes) == (9, 16, 7)


def test_rows_of_a_window_are_placed_in_the_file() -> None:
    members = split_rows(b'"a": 1 , "b":  {"c": 2}', "object", start=100)
    assert [(row.start, bytes(row.raw), row.key) for row in members] == [
        (105, b"1", "a"),
        (115, b'{"c": 2}', "b"),
    ]
    items = split_rows(b"10,\n 20", "array", start=7)
    assert [(row.start, bytes(row.raw), row.key) for row in items] == [
        (7, b"10", None),
        (12, b"20", None),
    ]
    assert split_rows(b"  ", "array") == []


@pytest.mark.slow
def test_a_large_file_is_indexed_in_little_memory(tmp_path: Path) -> None:
    row = (
        b'{"question_id": 458752000, "image_id": 458752, "answers": [%b]}' % (b'"net", ' * 60)[:-2]
    )
    with open(tmp_path / "large.json", "wb") as file:
        file.write(b'{"annotations": [')
        file.write(b", ".join([row] * 1_000))
        for _ in range(400):
            file.write(b", " + b", ".join([row] * 1_000))
        file.write(b"]}")
    assert (tmp_path / "large.json").stat().st_size > 180 << 20
    code = (
        "import resource, sys; from datagen.raw.json_index import index_json\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before, file = peak(), open(sys.argv[1], 'rb')\n"
        "rows = index_json(file, 'f', [('annotations',)]).containers['annotations',].rows\n"
        "print(rows, peak() - before)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "large.json")]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    rows, kilobytes = map(int, printed.split())
    assert rows == 401_000
    assert kilobytes < 40 << 10
