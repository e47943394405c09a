import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import Reason
from datagen.schema.rejects import (
    Rejection,
    add_counts,
    count_reasons,
    decode_rejections,
    encode_rejections,
)

rejections = st.builds(
    Rejection,
    source=st.just("vqav2"),
    split=st.just("train"),
    file=st.just("questions.json"),
    row=st.none() | st.integers(0, 10**9),
    byte=st.none() | st.integers(0, 10**12),
    reason=st.sampled_from(Reason),
    message=st.text(),
    content=st.text() | st.just("a\u2028b\u2029c\x85d\ne\rf\x1cg"),
)


@given(st.lists(rejections))
def test_rejections_come_back_as_they_were_written(some: list[Rejection]) -> None:
    assert decode_rejections(encode_rejections(some)) == some


@given(st.lists(rejections))
def test_there_is_one_line_a_rejection_for_every_reader(some: list[Rejection]) -> None:
    data = encode_rejections(some)
    assert data.isascii()
    lines = data.decode().splitlines()
    assert [json.loads(line)["content"] for line in lines] == [each.content for each in some]


def test_a_line_says_where_and_why() -> None:
    rejection = Rejection(
        source="vqav2",
        split="train",
        file="questions.json",
        row=7,
        byte=120,
        reason=Reason.EMPTY_TEXT,
        message="question is empty",
        content='{"question": ""}',
    )
    assert json.loads(encode_rejections([rejection])) == {
        "source": "vqav2",
        "split": "train",
        "file": "questions.json",
        "row": 7,
        "byte": 120,
        "reason": "empty_text",
        "message": "question is empty",
        "content": '{"question": ""}',
    }


def test_counts_are_added_by_name_in_alphabetical_order() -> None:
    total = add_counts({"b": 1, "a": 2}, {}, {"c": 1, "b": 5})
    assert list(total.items()) == [("a", 2), ("b", 6), ("c", 1)]
    assert add_counts() == {}


@given(st.lists(rejections))
def test_reasons_are_counted(some: list[Rejection]) -> None:
    counts = count_reasons(some)
    assert sum(counts.values()) == len(some)
    assert list(counts) == sorted({each.reason.value for each in some})


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"row": 4, "byte": 99}, "a.json, row 4"),
        ({"row": None, "byte": 99}, "a.json, byte 99"),
        ({"row": 4, "byte": None, "line": 6}, "a.json, row 5, line 6"),
        ({"row": 4, "byte": None, "pointer": "/4"}, "a.json, row 5"),
        ({"row": 2, "byte": None, "key": "0003"}, "a.json, row 3, key 0003"),
        ({"row": None, "byte": None}, "a.json"),
    ],
)
def test_the_place_of_own_data_is_that_of_a_check(place: dict[str, Any], words: str) -> None:
    found = Rejection(
        source="s",
        split="train",
        file="a.json",
        reason=Reason.EMPTY_TEXT,
        message="m",
        content="",
        **place,
    )
    assert found.place == words
