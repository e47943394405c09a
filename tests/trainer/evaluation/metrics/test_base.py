"""The mean of a set's scores, and what is kept of a set."""

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from trainer.evaluation.metrics.base import Mean, Scored

SCORES = np.array([1.0, np.nan, 0.0, 0.5])


def test_predictions_without_a_score_count_for_nothing():
    assert Mean(SCORES).value() == 0.5
    assert math.isnan(Mean(np.array([np.nan])).value())


def test_weights_count_predictions_as_often_as_they_say():
    assert Mean(SCORES).value(np.array([3.0, 7.0, 1.0, 0.0])) == 0.75
    assert Mean(SCORES).value(np.array([0.0, 1.0, 0.0, 2.0])) == 0.5


def test_weights_that_count_no_score_have_no_mean():
    assert math.isnan(Mean(SCORES).value(np.array([0.0, 2.0, 0.0, 0.0])))


def test_what_was_scored_stays():
    mean = Mean(SCORES)
    with pytest.raises(FrozenInstanceError):
        mean.scores = np.zeros(4)  # type: ignore[misc]
    scored = Scored({"accuracy": mean}, SCORES, [], [])
    with pytest.raises(FrozenInstanceError):
        scored.notes = ("changed",)  # type: ignore[misc]
