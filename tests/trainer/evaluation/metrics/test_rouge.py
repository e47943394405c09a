"""ROUGE-L, with the common subsequence found as tables find it."""

import random

import pytest

from trainer.evaluation.metrics.rouge import rouge_l


def longest_common(one, other):
    rows = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, word in enumerate(one, start=1):
        for j, their in enumerate(other, start=1):
            best = max(rows[i - 1][j], rows[i][j - 1])
            rows[i][j] = rows[i - 1][j - 1] + 1 if word == their else best
    return rows[-1][-1]


def by_definition(candidate, references):
    words = candidate.split(" ")
    pairs = [(longest_common(words, other.split(" ")), other.split(" ")) for other in references]
    precision = max(common / len(words) for common, _ in pairs)
    recall = max(common / len(other) for common, other in pairs)
    if not precision:
        return 0.0
    return (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)


def test_scores_are_those_of_the_definition():
    chance = random.Random(0)

    def caption():
        return " ".join(chance.choices("abcde", k=chance.choice((0, 1, 3, 8, 70))))

    for _ in range(200):
        candidate, references = caption(), [caption() for _ in range(chance.randint(1, 4))]
        (found,) = rouge_l([candidate], [references])
        assert found == pytest.approx(by_definition(candidate, references), abs=1e-12)


def test_an_empty_caption_is_one_empty_word_as_in_the_official_scorer():
    assert rouge_l(["", ""], [["a"], ["", "a"]]).tolist() == [0, 1]


def test_best_precision_and_best_recall_may_be_of_different_references():
    (score,) = rouge_l(["a b"], [["a b c d", "a"]])
    assert score == pytest.approx(1)


def test_a_blank_that_does_not_break_is_within_a_word():
    assert rouge_l(["1\u00a01/2"], [["1 1/2"]]).tolist() == [0]
