from typing import Any

import jmespath
import pytest

from datagen.errors import RowRejectedError
from datagen.sources.declared.columns import (
    Column,
    ColumnError,
    decode_json,
    decode_list,
    unknown_column,
)

ROW: dict[str, Any] = {
    "Image File ": "a.png",
    "image#1": 2,
    "meta.id": 3,
    "meta": {"id": 4},
    "Price (EUR)": 5,
    "Q&A?": 6,
    "answers": [{"text": "x", "n": 1}, {"n": 2}, {"text": "y"}],
    "token": "1.jpg#0",
    "nested": [[{"t": 1}], [{"t": 2}, 3], "z", None],
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("Image File", "a.png"),
        (" Image File", "a.png"),
        ("image#1", 2),
        ("meta.id", 3),
        ("Price (EUR)", 5),
        ("Q&A?", 6),
        ("answers[].text", ["x", "y"]),
        ("answers[0].text", "x"),
        ("answers[?n==`2`] | [0].n", 2),
        ("split(token, '#')[0]", "1.jpg"),
        ("upper(split(token, '.')[1])", "JPG#0"),
        ("replace(token, '#0', '')", "1.jpg"),
        ("absent", None),
        ("absent.deeper", None),
        ("split(absent, '#')[0]", None),
        (
            "zip(split('a b', ' '), `[1, 2, 3]`)[*].{t: [0], n: [1]}",
            [{"t": "a", "n": 1}, {"t": "b", "n": 2}],
        ),
        ("zip(absent, absent)", None),
        ("jpg || token", "1.jpg#0"),
    ],
)
def test_a_name_is_found_before_an_expression(expression: str, value: Any) -> None:
    assert Column(expression).get(ROW) == value


@pytest.mark.parametrize(
    "path",
    ["meta.id", "answers[].text", "answers[].n", "answers.text", "nested[].t", "nested[]",
     "nested[][].t", "token[].x", "answers[].text.deeper", "absent[].text"],
)  # fmt: skip
def test_plain_paths_are_followed_as_jmespath_follows_them(path: str) -> None:
    row = {key: value for key, value in ROW.items() if key != "meta.id"}
    assert Column(path).get(row) == jmespath.search(path, row)


def test_blanks_at_the_ends_may_differ_from_file_to_file() -> None:
    column = Column("Answer")
    assert [column.get({name: 1}) for name in (" Answer", "Answer", "Answer ", " Answer")] == [
        1
    ] * 4


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("answers[", "'answers\\[' is no JMESPath expression: it ends too early"),
        ("a{b", "'{' at character 2 is not expected"),
        ("before(token)", "unknown function: before"),
        (" ", "the name of a column is empty"),
    ],
)
def test_an_expression_that_cannot_be_read_is_refused(expression: str, message: str) -> None:
    with pytest.raises(ColumnError, match=message):
        Column(expression)


def test_an_expression_that_fails_on_a_row_rejects_it() -> None:
    with pytest.raises(RowRejectedError, match=r"split\(n, '#'\) cannot be computed"):
        Column("split(n, '#')").get({"n": 4})


def test_a_path_through_a_text_says_where_an_object_is_due() -> None:
    error = Column("text.caption").why_missing({"text": "a car"})
    assert error is not None
    assert error.message == "text is a text where an object is due: 'a car'"
    assert Column("text.caption").why_missing({"text": None}) is None


def test_an_unknown_column_comes_with_the_nearest_name() -> None:
    assert unknown_column("Questoin", [ROW, {"Question": ""}]) == (
        "no column 'Questoin', did you mean 'Question'?"
    )
    assert unknown_column("answer[].text", [ROW]).endswith("did you mean 'answers'?")
    assert unknown_column("zzz", [{"a": 1}]) == "no column 'zzz'; there are a"


def test_a_cell_that_begins_like_json_must_be_json() -> None:
    assert decode_json('["a", "b"]', "c") == ["a", "b"]
    assert decode_json("green", "c") == "green"
    assert decode_json(["a"], "c") == ["a"]
    for cell in ('["yellow"', "['blue', 'navy']"):
        with pytest.raises(RowRejectedError, match="c holds no JSON"):
            decode_json(cell, "c")


def test_a_list_as_python_prints_it_is_read_where_it_is_declared() -> None:
    assert decode_list("""['blue', "cat's", 3]""", "c") == ["blue", "cat's", 3]
    assert decode_list("blue", "c") == "blue"
    for cell in ("['blue'", "[open('x')]", "[{'a': 1}]", "[" * 5000):
        with pytest.raises(RowRejectedError, match="c holds no list as Python prints one"):
            decode_list(cell, "c")


def test_a_cell_of_json_with_a_key_twice_is_refused() -> None:
    with pytest.raises(RowRejectedError, match="options: the key 'A' is given twice"):
        decode_json('{"A": "red", "A": "blue"}', "options")
