import io
import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from datagen.files import LocalFiles
from datagen.raw.json_index import Container, index_json
from datagen.raw.lookup import MAX_WASTE_BYTES, KeyIndex, index_keys, key_number, keys_of, read_rows
from datagen.schema.adapter import Rejected

WINDOWS = (16, 100, 1 << 20)


class Thing(Struct):
    id: int | str
    name: str = ""


def container_of(data: bytes, window_bytes: int = 1 << 20) -> Container:
    return index_json(io.BytesIO(data), "f", [()], window_bytes).containers[()]


def indexed(data: bytes, window_bytes: int = 1 << 20, key: str = "id") -> tuple[KeyIndex, list]:
    return index_keys(io.BytesIO(data), container_of(data, window_bytes), key)


def found(path: Any, *keys: int | str, window_bytes: int = 1 << 20) -> list[list[Any]]:
    index, _ = indexed(path.read_bytes(), window_bytes)
    return read_rows(LocalFiles(), str(path), index, [key_number(key) for key in keys], Thing)


@given(st.integers(-(2**70), 2**70))
@example(-1)
@example(0)
@example(10**17 - 1)
@example(10**17)
@example(10**18)
@example(2**62)
def test_a_number_and_its_digits_are_one_key(number: int) -> None:
    assert key_number(number) == key_number(str(number))


@given(st.one_of(st.integers(-(2**70), 2**70), st.text(max_size=30)))
def test_every_key_becomes_a_64_bit_number(key: int | str) -> None:
    assert -(2**63) <= key_number(key) < 2**63


@given(st.lists(st.integers(0, 10**17 - 1), unique=True))
def test_ids_that_are_numbers_stay_what_they_are(numbers: list[int]) -> None:
    assert [key_number(number) for number in numbers] == numbers


def test_texts_that_only_look_like_a_number_are_other_keys() -> None:
    others = ["007", "+7", " 7", "7 ", "7.0", "7e0", "\u0667", "", "-7"]
    numbers = {key_number(text) for text in others}
    assert len(numbers) == len(others)
    assert max(numbers) < 0 < key_number(7)


def test_a_text_has_the_same_number_everywhere() -> None:
    assert key_number("abc") == -3_227_650_029_775_379_949
    assert key_number(10**17) == key_number("100000000000000000") == -2_681_576_028_919_421_118


@pytest.mark.parametrize("window_bytes", WINDOWS)
def test_rows_are_found_in_whatever_order_they_lie(raw: Any, window_bytes: int) -> None:
    rows = [{"id": n * 7, "name": f"thing {n}"} for n in range(200)]
    random.Random(0).shuffle(rows)
    path = raw.json("things.json", rows)
    wanted = [n * 7 for n in range(200)]
    assert found(path, *wanted, window_bytes=window_bytes) == [
        [Thing(n * 7, f"thing {n}")] for n in range(200)
    ]


def test_a_key_that_nobody_has_finds_nothing(raw: Any) -> None:
    path = raw.json("things.json", [{"id": 1}, {"id": "x"}])
    assert found(path, 2, "y", -1) == [[], [], []]
    assert found(path) == []


def test_keys_are_found_by_number_and_by_text_alike(raw: Any) -> None:
    path = raw.json("things.json", [{"id": "12"}, {"id": 13}, {"id": "a-b"}])
    assert found(path, 12, "13", "a-b") == [[Thing("12")], [Thing(13)], [Thing("a-b")]]


@pytest.mark.parametrize("window_bytes", WINDOWS)
def test_all_rows_of_a_key_come_in_the_order_of_the_file(raw: Any, window_bytes: int) -> None:
    rows = [{"id": n % 3, "name": str(n)} for n in range(30)]
    path = raw.json("things.json", rows)
    names = [
        [thing.name for thing in each] for each in found(path, 2, 0, window_bytes=window_bytes)
    ]
    assert names == [[str(n) for n in range(2, 30, 3)], [str(n) for n in range(0, 30, 3)]]


def test_rows_are_found_by_the_member_names_of_an_object(raw: Any) -> None:
    path = raw.json("things.json", {"x1": {"id": 5}, "7": {"id": 6}})
    assert found(path, "x1", 7, 5) == [[Thing(5)], [Thing(6)], []]


def test_rows_far_apart_are_read_one_by_one(raw: Any) -> None:
    filler = {"id": "filler", "name": "x" * (2 * MAX_WASTE_BYTES)}
    path = raw.json("things.json", [{"id": 1}, filler, {"id": 2}])
    assert found(path, 2, 1) == [[Thing(2)], [Thing(1)]]


def test_a_row_that_cannot_be_decoded_is_found_as_rejected(raw: Any) -> None:
    path = raw.write("f.json", b'[{"id": 1, "name": 5}, {"id": 2, "name": "\xe9"}, {"id": 3}]')
    (bad_type,), (bad_text,), good = found(path, 1, 2, 3)
    assert isinstance(bad_type, Rejected)
    assert "Expected `str`" in bad_type.message
    assert isinstance(bad_text, Rejected)
    assert good == [Thing(3)]


@pytest.mark.parametrize("window_bytes", WINDOWS)
def test_rows_without_a_key_are_told_apart(window_bytes: int) -> None:
    texts = ['{"id": 1}', '{"name": "x"}', '{"id": null}', '{"id": true}', '{"id": 2.0}', "5"]
    texts += ['{"id": [1]}', '{"id": "2"}', '{"id": 3, "name": NaN}']
    data = f"[{', '.join(texts)}]".encode()
    index, keyless = indexed(data, window_bytes)
    assert [bytes(row.raw).decode() for row in keyless] == texts[1:7]
    assert index.entries["key"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("window_bytes", WINDOWS)
def test_bad_text_in_another_field_hides_no_key(window_bytes: int) -> None:
    """The row without a key is found, with or without others in its window."""
    data = b'[{"id": 1, "name": "caf\xe9"}, {"name": "no key"}, {"id": 2}]'
    index, keyless = indexed(data, window_bytes)
    assert index.entries["key"].tolist() == [1, 2]
    assert [bytes(row.raw) for row in keyless] == [b'{"name": "no key"}']


def test_repeated_keys_are_all_but_the_first() -> None:
    rows = [{"id": key} for key in ("b", 1, "a", "1", "b", 2, "b")]
    data = json.dumps(rows).encode()
    index, _ = indexed(data, 16)
    starts = index.repeated()["start"].tolist()
    texts = sorted(data[start : data.index(b"}", start) + 1] for start in starts)
    assert texts == [b'{"id": "1"}', b'{"id": "b"}', b'{"id": "b"}']
    first = data.index(b'"b"')
    assert min(start for start in starts if data[start:].startswith(b'{"id": "b"')) > first


def test_orphans_are_the_rows_that_nobody_asks_for() -> None:
    index, _ = indexed(b'[{"id": 1}, {"id": 2}, {"id": "x"}, {"id": 2}]')
    wanted = np.array([key_number(1), key_number("y")], dtype=np.int64)
    assert sorted(index.without(wanted)["start"].tolist()) == [12, 23, 36]
    assert len(index.without(np.array([], dtype=np.int64))) == 4


@pytest.mark.parametrize("window_bytes", WINDOWS)
def test_the_keys_that_are_asked_for_are_those_of_rows_that_have_one(window_bytes: int) -> None:
    data = b'[{"image_id": 4, "x": "\xe9"}, {"x": 1}, {"image_id": "5"}, {"image_id": null}]'
    keys = keys_of(io.BytesIO(data), container_of(data, window_bytes), "image_id")
    assert sorted(keys.tolist()) == [4, 5]


@pytest.mark.parametrize("window_bytes", WINDOWS)
def test_the_members_of_an_object_ask_with_their_field_not_with_their_name(
    window_bytes: int,
) -> None:
    data = b'{"q1": {"image_id": 4}, "q2": {"image_id": "b"}, "q3": {}}'
    keys = keys_of(io.BytesIO(data), container_of(data, window_bytes), "image_id")
    assert sorted(keys.tolist()) == sorted([4, key_number("b")])


def test_an_empty_container_has_an_empty_index() -> None:
    index, keyless = indexed(b"[]")
    assert len(index.entries) == 0
    assert keyless == []
    assert len(index.repeated()) == 0
    assert read_rows(LocalFiles(), "nowhere", index, [1, 2], Thing) == [[], []]
    assert keys_of(io.BytesIO(b"[]"), container_of(b"[]"), "id").tolist() == []


@given(st.lists(st.tuples(st.integers(0, 5), st.text(max_size=5))), st.sampled_from(WINDOWS))
def test_the_index_equals_a_dictionary(rows: list[tuple[int, str]], window_bytes: int) -> None:
    data = json.dumps([{"id": key, "name": name} for key, name in rows]).encode()
    index, keyless = indexed(data, window_bytes)
    assert keyless == []
    for key in range(7):
        (first,), (last,) = index.find([key])
        names = [
            json.loads(data[e["start"] : e["start"] + e["length"]])["name"]
            for e in index.entries[first:last]
        ]
        assert names == [name for other, name in rows if other == key]
