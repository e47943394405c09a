import gzip
import json
from typing import Any

import pytest

from datagen.errors import RawDataError, Reason
from datagen.raw import json_index


def lines(*rows: Any) -> str:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


def test_rows_are_counted_without_blank_lines_and_lines_with_them(own: Any) -> None:
    own.put("a.jsonl", '\ufeff{"n": 1}\r\n\r\n  \n{"n": 2}\u2028'.replace("\u2028", "") + "\n\n")
    assert own.read("a.jsonl") == [{"n": 1}, {"n": 2}]
    assert own.places() == [(1, 1), (2, 4)]


def test_a_line_separator_of_unicode_ends_no_line(own: Any) -> None:
    own.put("a.jsonl", '{"t": "one\u2028two\x85"}\n{"t": "b"}')
    assert [row["t"] for row in own.read("a.jsonl")] == ["one\u2028two\x85", "b"]


@pytest.mark.parametrize("broken", ['{"n": 2', "{'n': 2}", "n: 2", '{"n": 2}{"n": 3}'])
def test_a_broken_line_costs_itself(own: Any, broken: str) -> None:
    own.put("a.jsonl", lines({"n": 1}, broken, {"n": 4}))
    assert own.read("a.jsonl") == [{"n": 1}, "malformed_row", {"n": 4}]
    assert own.places() == [(1, 1), (2, 2), (3, 3)]
    assert own.rows[1].text == broken


@pytest.mark.parametrize(
    ("value", "kind"),
    [([1], "a list"), ("x", "a text"), (3, "a number"), (True, "a truth value"), (None, "null")],
)
def test_a_row_that_is_no_object_is_rejected(own: Any, value: Any, kind: str) -> None:
    own.put("a.jsonl", lines({"n": 1}, json.dumps(value)))
    assert own.rejected("a.jsonl") == (
        Reason.MALFORMED_ROW,
        f"the row is no object but {kind}",
    )


def test_a_comma_behind_an_object_is_named(own: Any) -> None:
    own.put("a.jsonl", '{"n": 1},\r\n{"n": 2}\r\n')
    reason, message = own.rejected("a.jsonl")
    assert reason is Reason.MALFORMED_ROW
    assert message.startswith("a comma behind the object; remove it")


def test_values_keep_their_types(own: Any) -> None:
    own.put("a.jsonl", '{"a": 108.0, "b": "007", "c": null, "d": NaN, "e": -Infinity}\n')
    (row,) = own.read("a.jsonl")
    assert repr(row) == "{'a': 108.0, 'b': '007', 'c': None, 'd': nan, 'e': -inf}"


def test_ids_of_many_digits_keep_them(own: Any) -> None:
    digits = "123456789012345678901234567890"
    own.put("a.jsonl", f'{{"id": {digits}}}\n')
    assert str(own.read("a.jsonl")[0]["id"]) == digits


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_half_a_surrogate_pair_costs_its_row(own: Any, name: str) -> None:
    rows = ['{"t": "\\ud83d"}', '{"t": "\\ud83d\\ude00"}']
    own.put(name, "\n".join(rows) if name == "a.jsonl" else f"[{','.join(rows)}]")
    assert own.read(name) == ["invalid_encoding", {"t": "😀"}]
    assert "half of a surrogate pair" in own.rows[0].value.message


@pytest.mark.parametrize(("start", "name"), [(b"", "a.jsonl"), (b"\xef\xbb\xbf", "a.jsonl")])
def test_a_wrong_byte_costs_its_line_and_is_named_by_its_offset(
    own: Any, start: bytes, name: str
) -> None:
    data = start + b'{"t": "a"}\n{"t": "gr\xfcn"}\n{"t": "gr\xc3\xbcn"}\n'
    own.put(name, data)
    assert own.read(name) == [{"t": "a"}, "invalid_encoding", {"t": "grün"}]
    assert f"byte 0xfc at offset {data.index(0xFC)}; " in own.rows[1].value.message


def test_a_wrong_byte_in_a_document_costs_its_row(own: Any) -> None:
    data = b'{"data": [{"t": "a"}, {"t": "gr\xfcn"}, {"t": "b"}]}'
    own.put("a.json", data)
    assert own.read("a.json", rows="data") == [{"t": "a"}, "invalid_encoding", {"t": "b"}]
    assert f"byte 0xfc at offset {data.index(0xFC)}; " in own.rows[1].value.message
    assert own.rows[1].place.pointer == "/data/1"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-be"])
def test_a_declared_encoding_is_read(own: Any, name: str, encoding: str) -> None:
    rows = ['{"t": "grün"}', '{"t": "b"}']
    text = "\n".join(rows) if name == "a.jsonl" else f"[{','.join(rows)}]"
    own.put(name, text.encode(encoding))
    assert own.read(name, format={"encoding": encoding}) == [{"t": "grün"}, {"t": "b"}]


def test_a_document_that_is_not_in_its_encoding_is_refused_with_the_offset(own: Any) -> None:
    data = b'[{"t": "\xfc"}, {"t": "\x81"}]'
    own.put("a.json", data)
    with pytest.raises(
        RawDataError, match=rf"not in cp1252: byte 0x81 at offset {data.index(0x81)}"
    ):
        own.read("a.json", format={"encoding": "cp1252"})


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_utf_16_that_is_not_declared_is_refused(own: Any, name: str) -> None:
    own.put(name, '[{"t": "grün"}]'.encode("utf-16"))
    with pytest.raises(RawDataError, match=r"give format: \{encoding: utf-16\}"):
        own.read(name)


def test_a_list_under_the_name_of_lines_is_read_as_a_list(own: Any) -> None:
    own.put("a.jsonl", '\n[\n{"n": 1},\n{"n": 2}\n]\n')
    assert own.read("a.jsonl") == [{"n": 1}, {"n": 2}]
    assert [row.place.pointer for row in own.rows] == ["/0", "/1"]


def test_lines_under_the_name_of_a_document_are_read_as_lines(own: Any) -> None:
    own.put("a.json", lines({"n": 1}, "{broken", {"n": 2}))
    assert own.read("a.json") == [{"n": 1}, "malformed_row", {"n": 2}]
    assert own.places() == [(1, 1), (2, 2), (3, 3)]


def test_lines_that_are_lists_are_no_rows(own: Any) -> None:
    own.put("a.jsonl", "[1, 2]\n[3, 4]\n")
    with pytest.raises(RawDataError, match=r"has text after its end at byte 7 of 14; if each line"):
        own.read("a.jsonl")


def test_rows_lie_where_the_definition_says(own: Any) -> None:
    own.put("a.json", json.dumps({"v": 1, "data": {"items": [{"n": 1}, 7, {"n": 2}], "z": []}}))
    assert own.read("a.json", rows="data.items") == [{"n": 1}, "malformed_row", {"n": 2}]
    assert own.read("a.json", rows="data.items[]") == [{"n": 1}, "malformed_row", {"n": 2}]
    assert [row.place.pointer for row in own.rows] == [f"/data/items/{n}" for n in range(3)]
    assert [row.place.row for row in own.rows] == [1, 2, 3]
    assert own.rows[1].text == "7"


def test_members_that_are_no_objects_are_rows_where_columns_name_their_key(own: Any) -> None:
    own.put("a.json", json.dumps({"a.jpg": ["one", "two"], "b.jpg": "three"}))
    columns = {"image": "__key__", "caption": "value"}
    assert own.read("a.json", columns=columns) == [
        {"__key__": "a.jpg", "value": ["one", "two"]},
        {"__key__": "b.jpg", "value": "three"},
    ]


def test_the_members_of_an_object_are_rows_with_their_keys(own: Any) -> None:
    own.put("a.json", '{"a/b~": {"n": 1}, "c": [2], "d": {"n": 3}}')
    assert own.read("a.json") == [
        {"__key__": "a/b~", "n": 1},
        "malformed_row",
        {"__key__": "d", "n": 3},
    ]
    assert [row.place.pointer for row in own.rows] == ["/a~1b~0", "/c", "/d"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("item", r"no member 'item' but info, data"),
        ("data.itens", r"no member 'data/itens' but items, meta in 'data'"),
        ("data.meta.x", r"no member 'data/meta/x' but 'data/meta' is no object"),
        ("data.meta", r"has no array or object for data/meta"),
        (None, r"whose members are no rows: 'info' \(a text\), 'data' \(an object\)"),
    ],
)
def test_a_wrong_place_of_rows_names_what_is_there(
    own: Any, rows: str | None, message: str
) -> None:
    own.put("a.json", json.dumps({"info": "x", "data": {"items": [], "meta": 7}}))
    with pytest.raises(RawDataError, match=message) as caught:
        own.read("a.json", rows=rows)
    assert "download" not in str(caught.value)


def test_a_document_of_several_lists_asks_which_are_the_rows(own: Any) -> None:
    document = {"info": {}, "images": [{"id": 1}], "annotations": [{"id": 2}]}
    own.put("a.json", json.dumps(document))
    with pytest.raises(RawDataError, match=r"'annotations' \(a list\); say where.*rows: images"):
        own.read("a.json")


def test_rows_of_a_document_that_is_one_list_need_no_place(own: Any) -> None:
    own.put("a.json", '[{"n": 1}]')
    with pytest.raises(RawDataError, match="if the document is one list, leave out `rows`"):
        own.read("a.json", rows="data")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"a\.json is empty"),
        ('[{"n": 1}, {"n":', r"a\.json is cut off"),
        ("hello", r"a\.json has no array or object for its rows"),
        ('{"n": 1', r"a\.json is cut off"),
    ],
)
def test_a_document_that_is_none_is_refused(own: Any, text: str, message: str) -> None:
    own.put("a.json", text)
    with pytest.raises(RawDataError, match=message):
        own.read("a.json")


def test_a_document_is_read_in_windows(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_index.index_json, "__defaults__", (256,))
    rows = [{"n": n, "text": "x" * (n % 50), "v": float("nan")} for n in range(300)]
    own.put("a.json", json.dumps({"data": rows}))
    assert [row["n"] for row in own.read("a.json", rows="data")] == list(range(300))


def test_gzip_of_a_document_and_of_lines_is_unpacked(own: Any) -> None:
    own.put("a.jsonl.gz", gzip.compress(b'{"n": 1}\n') + gzip.compress(b'{"n": 2}\n'))
    own.put("a.json.gz", gzip.compress(b'[{"n": 1}, {"n": 2}]'))
    own.put("b.jsonl.gz", '{"n": 1}\n{"n": 2}\n')
    for name in ("a.jsonl.gz", "a.json.gz", "b.jsonl.gz"):
        assert own.read(name) == [{"n": 1}, {"n": 2}]


def test_the_lines_before_a_cut_are_used_and_the_cut_is_told(own: Any) -> None:
    packed = gzip.compress("".join(f'{{"n": {n}}}\n' for n in range(5_000)).encode())
    own.put("a.jsonl.gz", packed[:-12])
    assert own.rejected("a.jsonl.gz")[0] is Reason.TRUNCATED_FILE
    values = own.read("a.jsonl.gz")
    assert [row["n"] for row in values[:-1]] == list(range(len(values) - 1))
    assert len(values) > 1


def test_a_cut_document_is_refused(own: Any) -> None:
    own.put("a.json.gz", gzip.compress(b'[{"n": 1}]')[:-9])
    with pytest.raises(RawDataError, match=r"a\.json\.gz is a gzip file that cannot be unpacked"):
        own.read("a.json.gz")


@pytest.mark.parametrize(
    ("encoding", "data", "wrong"),
    [
        ("cp1252", b'{"t": "\xfc"}\n{"t": "\xfc\x81"}\n{"t": "b"}\n', b"\x81"),
        ("gbk", '{"t": "圆"}\n'.encode("gbk") + b'{"t": "\xff"}\n{"t": "b"}\n', b"\xff"),
        (
            "utf-16",
            b"\xff\xfe"
            + '{"t": "ü"}\n{"t": "\ud83d"}\n{"t": "b"}\n'.encode("utf-16-le", "surrogatepass"),
            b"\x3d\xd8",
        ),
    ],
)
def test_a_wrong_byte_of_a_declared_encoding_has_the_offset_in_the_file(
    own: Any, encoding: str, data: bytes, wrong: bytes
) -> None:
    own.put("a.jsonl", data)
    values = own.read("a.jsonl", format={"encoding": encoding})
    assert [values[1], values[2]] == ["invalid_encoding", {"t": "b"}]
    message = own.rows[1].value.message
    assert f"byte {wrong[0]:#04x} at offset {data.index(wrong)}; " in message


TWICE = '{"a": 1, "b": {"c": ":", "c" : 2}}'
GOOD = '{"a": 1, "b": "x: \\"y\\": z"}'


@pytest.mark.parametrize(
    ("name", "text", "keys"),
    [
        ("a.jsonl", f"{GOOD}\n{TWICE}", {}),
        ("a.json", f"[{GOOD}, {TWICE}]", {}),
        ("a.json", f'{{"rows": {{"k": {GOOD}, "l": {TWICE}}}}}', {"rows": "rows"}),
    ],
)
def test_a_key_that_an_object_has_twice_costs_its_row(
    own: Any, name: str, text: str, keys: dict[str, str]
) -> None:
    own.put(name, text)
    good, twice = own.read(name, **keys)
    assert (good["a"], good["b"], twice) == (1, 'x: "y": z', "malformed_row")
    message = "the key 'c' is given twice; which value is meant?"
    assert own.rejected(name, **keys) == (Reason.MALFORMED_ROW, message)


def test_numbers_beyond_64_bits_and_escaped_colons_repeat_no_key(own: Any) -> None:
    long = '{"a": 123456789012345678901234567890, "b": "\\u003a"}'
    own.put("a.jsonl", f'{long}\n{{"a": NaN, "b": 2}}\n')
    assert [row["b"] for row in own.read("a.jsonl")] == [":", 2]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_zero_byte_costs_its_row(own: Any, name: str) -> None:
    rows = ['{"c": "a \0 pump"}', '{"c": "a valve"}']
    own.put(name, "\n".join(rows) if name == "a.jsonl" else f"[{', '.join(rows)}]")
    assert own.read(name) == ["invalid_encoding", {"c": "a valve"}]
