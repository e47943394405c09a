"""BLEU of a set, from sums over its images."""

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from trainer.evaluation.metrics.bleu import Bleu, bleu_counts
from trainer.evaluation.metrics.ngrams import corpus


def bleu(candidates, references, n, weights=None):
    return Bleu(bleu_counts(corpus(candidates, references)), n).value(weights)


def test_a_word_counts_at_most_as_often_as_one_reference_has_it():
    references = [["the cat is on the mat", "there is a cat on the mat"]]
    assert bleu(["the the the the the the the"], references, 1) == pytest.approx(2 / 7)


def test_short_candidates_are_charged_by_the_closest_reference():
    references = [["a b c d", "a b c d e f g h"]]
    assert bleu(["a b c"], references, 1) == pytest.approx(math.exp(1 - 4 / 3))
    assert bleu(["a b c d"], references, 1) == pytest.approx(1)


def test_of_two_references_as_close_the_shorter_counts():
    counts = bleu_counts(corpus(["a b c"], [["a b c d", "a b"]]))
    assert counts.closest_lengths.tolist() == [2]


def test_higher_orders_are_geometric_means():
    references = [["a b c x"]]
    assert bleu(["a b c d"], references, 2) == pytest.approx(math.sqrt(3 / 4 * 2 / 3))
    assert bleu(["a b c d"], references, 3) == pytest.approx((3 / 4 * 2 / 3 * 1 / 2) ** (1 / 3))


def test_small_constants_stand_for_what_no_caption_has():
    value = bleu(["a b"], [["a b"]], 4)
    assert 0 < value < 1
    assert value == pytest.approx((1e-15 / 1e-9) ** (2 / 4))


def test_weights_repeat_images():
    candidates = ["a b c d e", "x y z", "a c"]
    references = [["a b c d f"], ["x z"], ["a b", "c d"]]
    twice = [0, 0, 1]
    repeated = bleu([candidates[i] for i in twice], [references[i] for i in twice], 2)
    assert bleu(candidates, references, 2, np.array([2.0, 1, 0])) == pytest.approx(repeated)
    assert math.isnan(bleu(candidates, references, 2, np.zeros(3)))


def test_empty_candidates_are_counted_with_the_length_that_they_lack():
    whole = bleu(["a b c", "d e"], [["a b c"], ["d e"]], 1)
    half = bleu(["a b c", ""], [["a b c"], ["d e"]], 1)
    assert whole == pytest.approx(1)
    assert half == pytest.approx(math.exp(1 - 5 / 3))


def test_the_closest_reference_may_be_longer():
    counts = bleu_counts(corpus(["a b c d e"], [["a b", "a b c d e f"]]))
    assert counts.closest_lengths.tolist() == [6]


def test_long_candidates_are_not_charged():
    assert bleu(["a b c d"], [["a b"]], 1) == pytest.approx(1 / 2)
    assert bleu(["a b c"], [["a b"]], 2) == pytest.approx(math.sqrt(2 / 3 * 1 / 2))


def test_sums_of_nothing_are_replaced_by_small_constants():
    assert bleu(["a"], [["a"]], 2) == pytest.approx(math.sqrt(1e-15 / 1e-9))
    assert bleu([""], [["a b"]], 1) == 0
    assert bleu(["a b"], [[""]], 1) == pytest.approx(1e-15 / 2)


def test_counts_stay():
    counts = bleu_counts(corpus(["a"], [["a"]]))
    with pytest.raises(FrozenInstanceError):
        counts.correct = np.zeros(1)
    with pytest.raises(FrozenInstanceError):
        Bleu(counts, 1).n = 2
