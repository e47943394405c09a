from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import RowRejectedError
from datagen.schema.answers import Answer
from datagen.sources.declared.answers import AnswerReader
from datagen.sources.declared.definition import Answers
from datagen.sources.declared.values import line_of


def ignore(reason: str, message: str) -> None:
    """Take a warning and do nothing."""


values = st.one_of(
    st.sampled_from(["red", " red", "blue", "", "\t", "a\nb", "\u200b", "7"]), st.just(7), st.none()
)


@given(st.lists(values))
def test_answers_are_counted_by_their_cleaned_lines_in_order(given_values: list[Any]) -> None:
    lines = Counter(line_of(value, "answers") for value in given_values)
    reader = AnswerReader(Answers(), "answers")
    if not any(lines):
        with pytest.raises(RowRejectedError, match="which is no answer"):
            reader.texts(given_values, ignore)
        return
    expected = tuple(Answer(line, count) for line, count in lines.items())
    for _ in range(2):  # the second time, short texts are known
        assert reader.texts(given_values, ignore) == expected


def test_the_first_value_that_is_no_text_is_named() -> None:
    reader = AnswerReader(Answers(), "answers")
    with pytest.raises(
        RowRejectedError, match="holds an object where a text is due, with the keys a"
    ):
        reader.texts(["red", {"a": 1}, ["b"]], ignore)
