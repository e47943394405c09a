from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import Reason, RowRejectedError
from datagen.schema.answers import Answer, counted, drawn, repeated
from datagen.text import clean_line


def test_equal_answers_are_counted_in_order_of_first_occurrence() -> None:
    answers = counted(["blue", "red", " red\n", "Red", "blue", ""])
    assert answers == (Answer("blue", 2), Answer("red", 2), Answer("Red", 1), Answer("", 1))


@given(st.lists(st.sampled_from(["a", "b", " a", "a\n", "", "\t"]) | st.text(max_size=3)))
def test_counts_keep_every_annotator(texts: list[str]) -> None:
    try:
        answers = counted(texts)
    except RowRejectedError as error:
        assert error.reason is Reason.NO_ANSWERS
        assert not any(clean_line(text) for text in texts)
    else:
        assert sum(answer.count for answer in answers) == len(texts)
        assert len({answer.text for answer in answers}) == len(answers)
        assert any(answer.text for answer in answers)


@pytest.mark.parametrize("texts", [[], [""], ["  ", "\n", "\u2028"]])
def test_answers_without_any_text_are_refused(texts: list[str]) -> None:
    with pytest.raises(RowRejectedError, match=f"none of {len(texts)} answers has text"):
        counted(texts)


def test_an_answer_is_drawn_as_often_as_it_was_given_and_a_blank_one_never() -> None:
    answers = counted(["", "red", "", "blue", "red"])
    assert Counter(drawn(answers, chance) for chance in range(300)) == {"red": 200, "blue": 100}


def test_references_repeat_every_answer_and_blank_ones_too() -> None:
    assert repeated(counted(["red", "", "red"])) == ("red", "red", "")
