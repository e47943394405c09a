"""AUROC, against scikit-learn's and against its definition."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.auroc import Auroc, AurocMetric, roc_auc
from trainer.evaluation.predictions.prediction import Prediction

ASSETS = Path(__file__).resolve().parents[3] / "assets" / "metrics_cases"
CASES = ASSETS / "hatefulmemes_auroc.jsonl"
METRIC = AurocMetric()


def prediction(probabilities, label, num_positive=2, number=0):
    """Of the words yes and true, no and false, with these probabilities."""
    return Prediction(
        record_id=f"hateful_memes/val/{number}",
        number=number,
        group_id=f"hateful_memes:{number}",
        prompt="",
        output="",
        candidates=("yes", "true", "no", "false")[: len(probabilities)],
        log_probs=tuple(math.log(p) if p else -math.inf for p in probabilities),
        num_positive=num_positive,
        label=label,
    )


def by_pairs(labels, scores):
    """The part of pairs of a positive and a negative whose positive is above; half for ties."""
    pairs = [
        1.0 if p > n else 0.5 if p == n else 0.0
        for p, positive in zip(scores, labels, strict=True)
        for n, negative in zip(scores, labels, strict=True)
        if positive and not negative
    ]
    return sum(pairs) / len(pairs)


def test_the_area_is_scikit_learns():
    cases = [json.loads(line) for line in CASES.read_text().splitlines()]
    assert cases
    for case in cases:
        found = roc_auc(case["inputs"]["labels"], case["inputs"]["scores"])
        assert found == pytest.approx(case["expected"], abs=1e-12)


def test_the_area_is_the_part_of_pairs_in_the_right_order():
    generator = np.random.default_rng(1)
    for size in (2, 5, 40):
        labels = generator.integers(2, size=size)
        labels[:2] = 0, 1
        scores = generator.integers(6, size=size) / 2
        assert roc_auc(labels, scores) == pytest.approx(by_pairs(labels, scores), abs=1e-12)


def test_weights_count_as_if_predictions_were_repeated():
    generator = np.random.default_rng(2)
    labels = generator.integers(2, size=50)
    scores = generator.integers(8, size=50).astype(float)
    weights = generator.integers(4, size=50)
    repeated = roc_auc(np.repeat(labels, weights), np.repeat(scores, weights))
    assert Auroc(labels, scores).value(weights.astype(float)) == pytest.approx(repeated, abs=1e-12)


def test_one_class_has_no_area():
    assert math.isnan(roc_auc([1, 1], [0.2, 0.3]))
    assert math.isnan(roc_auc([], []))
    assert math.isnan(Auroc([0, 1], [0.0, 1.0]).value(np.array([0.0, 3.0])))


def test_scores_and_labels_that_are_none_are_refused():
    with pytest.raises(EvaluationError, match="score 1 is NaN"):
        roc_auc([0, 1], [0.5, math.nan])
    with pytest.raises(EvaluationError, match="label 2 is 2"):
        roc_auc([0, 1, 2], [0.5, 0.1, 0.2])
    with pytest.raises(EvaluationError, match="2 labels for 1 scores"):
        roc_auc([0, 1], [0.5])


def test_memes_are_ordered_by_the_summed_probability_of_yes_over_no():
    # by the single best word the second would rank above the first
    made = [
        prediction((0.3, 0.3, 0.4, 0.0), True, number=0),
        prediction((0.35, 0.0, 0.4, 0.0), False, number=1),
    ]
    scored = METRIC.score(iter(made))
    assert next(iter(scored.measures)) == "auroc"
    assert scored.measures["auroc"].value() == 1
    assert scored.measures["accuracy"].value() == 1
    assert scored.normalised == ["yes", "no"]
    assert scored.normalised_references == [("yes",), ("no",)]
    assert np.isnan(scored.scores).all() and scored.notes == ()


def test_a_class_without_any_probability_is_surely_not_meant():
    made = [prediction((0.0, 0.0, 0.5, 0.5), False), prediction((0.5, 0.5, 0.0, 0.0), True)]
    assert METRIC.score(made).measures["auroc"].value() == 1


def test_a_set_of_one_class_says_why_it_has_no_area():
    scored = METRIC.score([prediction((0.5, 0.1, 0.2, 0.2), True)] * 3)
    assert math.isnan(scored.measures["auroc"].value())
    assert scored.measures["accuracy"].value() == 1
    assert scored.notes == ("auroc is not defined: all 3 labels are positive",)


def test_a_record_whose_words_all_have_no_probability_is_named():
    with pytest.raises(EvaluationError, match=r"hateful_memes/val/3: every candidate .* -inf"):
        METRIC.score([prediction((0, 0, 0, 0), True, number=3)])


def test_incomplete_predictions_are_refused_with_a_reason():
    full = (0.4, 0.1, 0.4, 0.1)
    assert METRIC.lacks(prediction(full, True)) is None
    assert "no label" in METRIC.lacks(prediction(full, None))
    assert "no num_positive" in METRIC.lacks(prediction(full, True, num_positive=None))
    assert "leaves a class empty" in METRIC.lacks(prediction(full, True, num_positive=4))
    assert "leaves a class empty" in METRIC.lacks(prediction(full, True, num_positive=0))


def test_classes_of_equal_probability_are_answered_yes():
    made = [prediction((0.25, 0.25, 0.25, 0.25), label) for label in (True, True, False)]
    scored = METRIC.score(made)
    assert scored.normalised == ["yes"] * 3
    assert scored.measures["accuracy"].value() == pytest.approx(2 / 3)


def test_the_first_of_several_invalid_values_is_named():
    with pytest.raises(EvaluationError, match="score 1 is NaN"):
        roc_auc([0, 1, 1], [0.5, math.nan, math.nan])
    with pytest.raises(EvaluationError, match="label 1 is 3"):
        roc_auc([0, 3, 2], [0.5, 0.1, 0.2])
