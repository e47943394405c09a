"""Scores by how many annotators gave the very answer."""

import json
from pathlib import Path

import numpy as np
import pytest

from trainer.evaluation.metrics.table import metric
from trainer.evaluation.predictions.prediction import Prediction

CASES = Path(__file__).resolve().parents[3] / "assets" / "metrics_cases"


def predicted(output, references, **fields):
    return Prediction(
        record_id="ivqa/test/9",
        number=0,
        group_id="9",
        prompt="",
        output=output,
        references=tuple(references),
        **fields,
    )


def score(name, output, references):
    return metric(name).score([predicted(output, references)]).measures["accuracy"].value()


def cases(name):
    found = [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text().splitlines()]
    assert found
    return found


def test_ivqa_agrees_with_its_publishers_code():
    for row in cases("ivqa"):
        got = score("ivqa", row["inputs"]["pred"], row["inputs"]["answers"])
        assert got == pytest.approx(row["expected"], abs=1e-9), row


def test_direct_answers_agree_with_lavis():
    for row in cases("aokvqa_direct_lavis"):
        got = score("aokvqa_direct", row["inputs"]["pred"], row["inputs"]["gts"])
        assert 100 * got == pytest.approx(row["expected"], abs=1e-9), row


@pytest.mark.parametrize(("num_equal", "expected"), [(0, 0), (1, 0.5), (2, 1), (5, 1)])
def test_two_of_five_annotators_are_enough_for_ivqa(num_equal, expected):
    assert score("ivqa", "pan", ["pan"] * num_equal + ["pot"] * (5 - num_equal)) == expected


@pytest.mark.parametrize(("num_equal", "expected"), [(0, 0), (1, 1 / 3), (2, 2 / 3), (3, 1)])
def test_three_of_ten_annotators_are_enough_for_direct_answers(num_equal, expected):
    answers = ["dog"] * num_equal + ["cat"] * (10 - num_equal)
    assert score("aokvqa_direct", "dog", answers) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["ivqa", "aokvqa_direct"])
@pytest.mark.parametrize("output", ["Dog", "a dog", "dog.", " dog", ""])
def test_nothing_is_normalised(name, output):
    assert score(name, output, ["dog"] * 10) == 0


def test_difficult_questions_count_in_the_headline_and_not_beside_it():
    difficult = {"difficult_direct_answer": "true"}
    easy = {"difficult_direct_answer": "false"}
    predictions = [
        predicted("cat", ["dog"] * 10, tags=difficult),
        predicted("dog", ["dog"] * 10, tags=easy),
        predicted("dog", ["dog", *["cat"] * 9]),
    ]
    scored = metric("aokvqa_direct").score(predictions)
    assert next(iter(scored.measures)) == "accuracy"
    assert scored.measures["accuracy"].value() == pytest.approx((0 + 1 + 1 / 3) / 3)
    beside = scored.measures["accuracy_without_difficult"]
    assert beside.value() == pytest.approx((1 + 1 / 3) / 2)
    assert beside.value(np.array([5.0, 1.0, 0.0])) == 1
    assert set(metric("aokvqa_direct").score(predictions[1:]).measures) == {"accuracy"}
