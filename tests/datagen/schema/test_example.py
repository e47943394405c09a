from typing import Any

import pytest

from datagen.errors import Reason, RowRejectedError
from datagen.schema.example import MAX_TEXT_CHARS, present, required_text


def test_a_text_that_is_needed_is_there_and_not_too_long() -> None:
    assert required_text("x" * MAX_TEXT_CHARS, "question") == "x" * MAX_TEXT_CHARS
    for text in ("", None):
        with pytest.raises(RowRejectedError, match="question is empty") as error:
            required_text(text, "question")
        assert error.value.reason is Reason.EMPTY_TEXT
    with pytest.raises(RowRejectedError, match="question has 32769 characters, 32768 are") as error:
        required_text("x" * (MAX_TEXT_CHARS + 1), "question")
    assert error.value.reason is Reason.TEXT_TOO_LONG


def test_tags_are_texts_that_have_a_value() -> None:
    assert present(a="x", b=None, c="", d=0, e=False) == {"a": "x", "d": "0", "e": "False"}
    assert present(a=None) is None
    assert present() is None


@pytest.mark.parametrize("place", [-1, 2, 10**9])
def test_a_choice_that_does_not_exist_is_rejected(example: Any, place: int) -> None:
    for options in ({"choices": ("a", "b")}, {"candidates": ("a", "b")}):
        assert [example(correct_choice=n, **options).correct_choice for n in (0, 1)] == [0, 1]
        with pytest.raises(RowRejectedError, match=f"choice {place} of 2 options") as error:
            example(correct_choice=place, **options)
        assert error.value.reason is Reason.INDEX_OUT_OF_RANGE
    with pytest.raises(RowRejectedError, match="choice 0 of 0 options"):
        example(correct_choice=0)


def test_an_example_has_images_or_a_video(example: Any) -> None:
    assert example(images=None, video="msvd/a.avi").video == "msvd/a.avi"
    for media in ({"images": None}, {"video": "msvd/a.avi"}):
        with pytest.raises(AssertionError, match="images or a video"):
            example(**media)


def test_an_example_has_a_known_task(example: Any) -> None:
    with pytest.raises(AssertionError, match="guessing"):
        example(task="guessing")
