import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from datagen.errors import RawDataError, Reason
from datagen.files import LocalFiles
from datagen.raw.json_index import Window, index_json
from datagen.raw.rows import WindowRows, decode_row
from datagen.schema.adapter import Rejected


class Thing(Struct):
    id: int
    name: str = ""
    score: float | None = None


def rows_in(path: Any, row_type: Any = Thing, window_bytes: int = 1 << 20) -> list[WindowRows]:
    with open(path, "rb") as file:
        container = index_json(file, str(path), [()], window_bytes).containers[()]
    return [
        WindowRows(LocalFiles(), str(path), container.kind, window, row_type)
        for window in container.windows
    ]


def values_in(path: Any, row_type: Any = Thing, window_bytes: int = 1 << 20) -> list[Any]:
    return [value for rows in rows_in(path, row_type, window_bytes) for value in rows.values]


def test_rows_are_decoded_as_the_adapter_wants_them(raw: Any) -> None:
    path = raw.json("things.json", [{"id": 1, "name": "é", "other": [1]}, {"id": 2}])
    assert values_in(path) == [Thing(1, "é"), Thing(2)]


def test_members_of_an_object_come_with_their_keys(raw: Any) -> None:
    path = raw.json("things.json", {"x": {"id": 1}, "y": {"id": 2}})
    (rows,) = rows_in(path)
    assert rows.values == [Thing(1), Thing(2)]
    assert [rows.key(0), rows.key(1)] == ["x", "y"]


def test_items_of_an_array_have_no_key(raw: Any) -> None:
    (rows,) = rows_in(raw.json("things.json", [{"id": 1}]))
    assert rows.key(0) is None


@pytest.mark.parametrize("window_bytes", [16, 40, 1 << 20])
@pytest.mark.parametrize(
    ("bad", "reason", "message"),
    [
        (b'{"name": "no id"}', Reason.MALFORMED_ROW, "missing required field `id`"),
        (b'{"id": "12"}', Reason.MALFORMED_ROW, "Expected `int`, got `str` - at `$.id`"),
        (b'{"id": null}', Reason.MALFORMED_ROW, "Expected `int`, got `null`"),
        (b'{"id": 7, "name": 5}', Reason.MALFORMED_ROW, "Expected `str`, got `int`"),
        (b'{"name": "x", "score": NaN}', Reason.MALFORMED_ROW, "missing required field `id`"),
        (b"17", Reason.MALFORMED_ROW, "Expected `object`, got `int`"),
        (b"null", Reason.MALFORMED_ROW, "Expected `object`, got `null`"),
        (b'{"id": 7 "name": "x"}', Reason.MALFORMED_ROW, "malformed"),
        (b'{"id": 0x7}', Reason.MALFORMED_ROW, "malformed"),
        (b'{"id": 7, "name": "\\x41"}', Reason.MALFORMED_ROW, "malformed"),
        (b'{"id": 7, "name": "caf\xe9"}', Reason.INVALID_ENCODING, "not UTF-8"),
        (b'{"id": 7, "name": "\xed\xa0\x80"}', Reason.INVALID_ENCODING, "not UTF-8"),
        (b'{"id": 7, "name": "\\ud83d"}', Reason.INVALID_ENCODING, "not valid Unicode"),
        (b'{"id": 7, "x": %b}' % (b"[" * 9_000 + b"]" * 9_000), Reason.MALFORMED_ROW, "recursion"),
    ],
)  # fmt: skip
def test_a_bad_row_is_rejected_alone(
    raw: Any, window_bytes: int, bad: bytes, reason: Reason, message: str
) -> None:
    path = raw.write("things.json", b'[{"id": 1}, %b, {"id": 3, "name": "x"}]' % bad)
    first, rejected, last = values_in(path, window_bytes=window_bytes)
    assert (first, last) == (Thing(1), Thing(3, "x"))
    assert isinstance(rejected, Rejected)
    assert rejected.reason is reason
    assert message in rejected.message


def test_what_pythons_writer_makes_beyond_json_is_read(raw: Any) -> None:
    text = json.dumps([{"id": 1, "score": float("inf")}, {"id": 2, "unused": float("nan")}])
    assert "Infinity" in text
    assert "NaN" in text
    assert values_in(raw.write("things.json", text)) == [Thing(1, "", float("inf")), Thing(2)]


def test_raw_control_characters_in_a_text_are_read(raw: Any) -> None:
    path = raw.write("things.json", b'[{"id": 1, "name": "two\nlines\tand \x07"}, {"id": 2}]')
    assert values_in(path) == [Thing(1, "two\nlines\tand \x07"), Thing(2)]


def test_bytes_that_are_no_text_in_a_field_that_nobody_reads_do_no_harm(raw: Any) -> None:
    path = raw.write("things.json", b'[{"id": 1, "unused": "caf\xe9"}]')
    assert values_in(path) == [Thing(1)]


def test_an_object_that_repeats_a_key_gives_every_row(raw: Any) -> None:
    path = raw.write("things.json", b'{"x": {"id": 1}, "x": {"id": 2}, "y": {"id": 3}}')
    (rows,) = rows_in(path)
    assert rows.values == [Thing(1), Thing(2), Thing(3)]
    assert [rows.key(number) for number in range(3)] == ["x", "x", "y"]


def test_a_row_is_shown_as_it_stands_in_the_file(raw: Any) -> None:
    (rows,) = rows_in(raw.write("things.json", b'[ {"id":  1, "name": "caf\xe9 \\n"} ]'))
    assert rows.text(0) == '{"id":  1, "name": "caf\\xe9 \\n"}'
    assert rows.rows[0].start == 2


@pytest.mark.parametrize(
    "now",
    [
        b'[{"id": 1}, {"id": 2}          ]',
        b'[{"id": 1}, {"id": 2222}',
        b'[{"id": 1}',
        b"",
        b'[{"id": 1]]]]]]]]]]]]]]]]]]]',
        b'[{"id": 1}, {"id": "unended]',
    ],
)
def test_a_file_that_changes_during_the_build_is_noticed(raw: Any, now: bytes) -> None:
    path = raw.write("things.json", b'[{"id": 1}, {"id": 2}, {"id": 3}]')
    window = Window(1, 32, 3)
    assert WindowRows(LocalFiles(), str(path), "array", window, Thing).values == [
        Thing(1),
        Thing(2),
        Thing(3),
    ]
    path.write_bytes(now)
    with pytest.raises(RawDataError, match=r"things\.json changed during the build: \d+ rows inst"):
        WindowRows(LocalFiles(), str(path), "array", window, Thing)


@given(st.binary(max_size=60))
def test_no_bytes_make_decoding_fail_in_another_way(data: bytes) -> None:
    assert isinstance(decode_row(data, Thing), Thing | Rejected)


@given(
    st.dictionaries(
        st.sampled_from(["id", "name", "score", "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=2),
        ),
    )
)
def test_any_python_object_is_decoded_or_rejected(row: dict[str, Any]) -> None:
    decoded = decode_row(json.dumps(row).encode(), Thing)
    if isinstance(decoded, Thing):
        assert decoded.id == row["id"]
        assert decoded.name == row.get("name", "")
    else:
        assert isinstance(decoded, Rejected)


@pytest.mark.parametrize("window_bytes", [16, 100, 1 << 20])
def test_a_good_row_does_not_depend_on_its_neighbours(raw: Any, window_bytes: int) -> None:
    good = [{"id": n, "name": f"row {n}"} for n in range(30)]
    texts = [json.dumps(row) for row in good]
    for place in (3, 11, 12, 29):
        texts.insert(place, '{"id": "bad"}')
    values = values_in(raw.write("f.json", f"[{','.join(texts)}]"), window_bytes=window_bytes)
    assert [v for v in values if isinstance(v, Thing)] == [Thing(**row) for row in good]
    assert sum(isinstance(v, Rejected) for v in values) == 4


def test_plain_types_are_decoded_too(raw: Any) -> None:
    assert values_in(raw.json("a.json", ["x", "y"]), str) == ["x", "y"]
    assert values_in(raw.json("b.json", [{"x": 1}]), Any) == [{"x": 1}]
