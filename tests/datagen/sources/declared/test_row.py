import pytest

from datagen.errors import Reason
from datagen.schema.adapter import Rejected
from datagen.sources.declared.row import MAX_TEXT, Place, RawRow

PLACE = Place("rows.json", 1)


def test_a_row_is_shown_as_it_stands_in_the_file() -> None:
    assert RawRow(PLACE, {"a": 1}, '{"a":  1}').shown() == '{"a":  1}'
    assert RawRow(PLACE, Rejected(Reason.MALFORMED_ROW, "cut")).shown() == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": "grün", "b": [1, None]}, '{"a": "grün", "b": [1, null]}'),
        (
            {"image": {"bytes": b"x" * 9, "path": None}},
            '{"image": {"bytes": "<9 bytes>", "path": null}}',
        ),
        ({"a": float("nan")}, '{"a": NaN}'),
    ],
)
def test_a_row_that_is_no_text_is_shown_as_json(value: dict[str, object], text: str) -> None:
    assert RawRow(PLACE, value).shown() == text


def test_a_long_row_is_shown_in_part() -> None:
    assert len(RawRow(PLACE, {"a": "x" * 10_000}).shown()) == MAX_TEXT


def test_a_place_names_what_a_person_looks_for() -> None:
    assert str(Place("a.csv", row=3, line=5)) == "a.csv, row 3, line 5"
    assert str(Place("charts", row=1, split="val")) == "charts, split val, row 1"
