"""What ranked candidates lack to be scored, and ties among them."""

import math

import pytest

from trainer.evaluation.metrics.log_probs import is_tied, lacks_classes
from trainer.evaluation.predictions.prediction import Prediction


def prediction(log_probs, candidates=None, **fields):
    return Prediction(
        record_id="vsr/test/1",
        number=0,
        group_id="1",
        prompt="",
        output="",
        candidates=candidates or (None if log_probs is None else tuple("abcdef"[: len(log_probs)])),
        log_probs=None if log_probs is None else tuple(log_probs),
        **fields,
    )


def test_a_right_candidate_is_tied_with_one_of_another_text_only():
    assert is_tied(prediction([-1.0, -1.0, -2.0], correct_choice=0)) is True
    assert is_tied(prediction([-1.0, -2.0, -2.0], correct_choice=0)) is False
    assert is_tied(prediction([-1.0, -2.0, -2.0], correct_choice=1)) is True
    same_text = prediction([-1.0, -1.0, -2.0], ("left", " left", "right"), correct_choice=0)
    assert is_tied(same_text) is False


@pytest.mark.parametrize(
    ("log_probs", "tied"),
    [([-1.0, -1.0, -2.0], True), ([-1.0, -2.0, -2.0], False), ([-3.0, -1.0, -1.0, -1.0], True)],
)
def test_of_a_vocabulary_the_best_two_decide(log_probs, tied):
    assert is_tied(prediction(log_probs)) is tied


def test_yes_and_no_are_tied_where_their_sums_are_equal():
    halves = [math.log(0.25)] * 4
    assert is_tied(prediction(halves, num_positive=2)) is True
    assert is_tied(prediction([-1.0, -1.0, -1.0, -3.0], num_positive=2)) is False
    one_above = [1.0, 0.0]  # their difference is exactly 1
    assert is_tied(prediction(one_above, num_positive=1)) is False
    assert is_tied(prediction(one_above[::-1], num_positive=1)) is False


def test_what_cannot_be_compared_is_not_tied():
    assert is_tied(prediction(None)) is False
    assert is_tied(prediction([-1.0, -1.0], ("a",), correct_choice=0)) is False
    assert is_tied(prediction([], ("a",))) is False


def test_a_class_needs_a_word_and_one_is_enough():
    assert lacks_classes(prediction([-1.0, -2.0], num_positive=1, label=True)) is None
    lacking = lacks_classes(prediction([-1.0], ("yes", "no"), num_positive=1, label=True))
    assert lacking == "1 log_probs for 2 candidates"
