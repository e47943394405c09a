import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.schema.answers import Answer
from datagen.schema.columns import CONSTANT_COLUMNS, column, example_columns, list_column
from datagen.schema.example import Example, Turn
from datagen.schema.record import EXAMPLE_COLUMNS, SCHEMA

texts = st.text(max_size=10)
VALUES: dict[str, Any] = {
    "candidates": st.lists(texts).map(tuple),
    "question": texts,
    "answers": st.lists(st.builds(Answer, texts, st.integers(1, 99)), min_size=1).map(tuple),
    "raw_answers": st.lists(st.builds(Answer, texts, st.integers(1, 99)), min_size=1).map(tuple),
    "choices": st.lists(texts, min_size=3).map(tuple),
    "correct_choice": st.integers(0, 2),
    "context": texts,
    "ocr_tokens": st.lists(texts).map(tuple),
    "dialog": st.lists(st.builds(Turn, texts, texts)).map(tuple),
    "captions": st.lists(texts).map(tuple),
    "label": st.booleans(),
    "statement": texts,
    "text": texts,
    "response": texts,
    "relevance": st.lists(st.floats(0, 1, width=32)).map(tuple),
    "tags": st.dictionaries(texts, texts),
}


@st.composite
def examples(choose: st.DrawFn) -> Example:
    fields = {name: choose(st.none() | values) for name, values in VALUES.items()}
    if fields["choices"] is None or fields["candidates"]:
        fields["correct_choice"] = None
    number = choose(st.integers())
    return Example(
        example_id=f"vqav2/train/{number}",
        source="vqav2",
        split="train",
        task="vqa",
        group_id=f"coco:{number}",
        images=("c/x",),
        **fields,
    )


def plain(name: str, value: Any) -> Any:
    """A value as Arrow gives it back."""
    match value:
        case None | str() | bool() | int():
            return value
        case dict():
            return [{"key": key, "value": text} for key, text in value.items()]
        case Answer():
            return {"text": value.text, "count": value.count}
        case Turn():
            return {"question": value.question, "answer": value.answer}
    return [plain(name, each) for each in value] if name != "relevance" else list(value)


def test_every_column_of_an_example_is_tried() -> None:
    assert set(VALUES) | {"source", "split", "task", "group_id"} == set(EXAMPLE_COLUMNS)


@given(st.lists(examples(), max_size=6))
def test_columns_hold_every_field_of_every_example(some: list[Example]) -> None:
    columns = example_columns(some)
    assert columns["record_id"].to_pylist() == [each.example_id for each in some]
    for name in EXAMPLE_COLUMNS:
        values = [getattr(each, name) for each in some]
        if name in CONSTANT_COLUMNS or all(value is None for value in values):
            assert name not in columns
        else:
            assert columns[name].type == SCHEMA.field(name).type
            assert columns[name].to_pylist() == [plain(name, value) for value in values]


@given(st.lists(st.none() | st.lists(st.integers(-9, 9))))
def test_a_list_column_tells_null_from_empty(lists: list[list[int] | None]) -> None:
    made = list_column(lists, lambda items: pa.array(items, pa.int64()))
    assert made.to_pylist() == lists
    assert made.validate(full=True) is None
    assert len(made.flatten()) == sum(len(items) for items in lists if items)


def test_images_are_made_of_pairs() -> None:
    images = [[(b"x", "c/a"), (b"", "c/b")], None, [(b"z", "c/c")]]
    assert column("images", images).to_pylist() == [
        [{"bytes": b"x", "path": "c/a"}, {"bytes": b"", "path": "c/b"}],
        None,
        [{"bytes": b"z", "path": "c/c"}],
    ]
    assert column("images", []).to_pylist() == []
    assert column("images", [None, None]).to_pylist() == [None, None]


def test_relevance_is_kept_in_single_precision() -> None:
    (values,) = column("relevance", [(0.4, 1.0)]).to_pylist()
    assert values == pytest.approx([0.4, 1.0])
    assert math.isclose(values[0], 0.4, rel_tol=1e-7)


def test_no_examples_make_no_rows() -> None:
    assert {name: len(array) for name, array in example_columns([]).items()} == {"record_id": 0}
