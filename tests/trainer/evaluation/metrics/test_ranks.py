"""Visual Dialog's numbers, against those of the challenge's own code."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.ranks import VisdialMetric, ndcg, ranks_of, visdial_scores
from trainer.evaluation.predictions.prediction import Prediction

ASSETS = Path(__file__).resolve().parents[3] / "assets" / "metrics_cases"
CASES = ASSETS / "visdial.jsonl"
METRIC = VisdialMetric()


def prediction(log_probs, right, relevance=None, number=0):
    return Prediction(
        record_id=f"visdial/val/{number}#round1",
        number=number,
        group_id=f"visdial:{number}",
        prompt="",
        output="",
        candidates=tuple(f"answer {place}" for place in range(len(log_probs))),
        log_probs=tuple(log_probs),
        correct_choice=right,
        relevance=None if relevance is None else tuple(relevance),
    )


def test_numbers_are_those_of_the_challenges_code():
    cases = [json.loads(line) for line in CASES.read_text().splitlines()]
    sparse = [case for case in cases if "gt_index" in case["inputs"]]
    dense = [case for case in cases if "relevance" in case["inputs"]]
    assert sparse and dense and len(sparse) + len(dense) == len(cases)
    for case in sparse:
        scores, right = case["inputs"]["scores"], case["inputs"]["gt_index"]
        expected = {name: case["expected"][name] for name in ("mrr", "r@1", "r@5", "r@10", "mean")}
        assert visdial_scores(scores, right) == pytest.approx(expected, abs=1e-7), case["id"]
        ranks = [int(ranks_of(row)[place]) for row, place in zip(scores, right, strict=True)]
        assert ranks == case["expected"]["gt_ranks"], case["id"]
    for case in dense:
        found = ndcg(case["inputs"]["scores"], case["inputs"]["relevance"])
        expected = float(case["expected"]["ndcg"])
        assert found == pytest.approx(expected, abs=1e-7, nan_ok=True), case["id"]


def test_of_equal_scores_the_first_candidate_ranks_first():
    assert ranks_of([0.5, 2.0, 0.5, 2.0]).tolist() == [3, 1, 4, 2]
    assert visdial_scores([[1.0, 1.0, 1.0]], [2])["mean"] == 3


def test_ndcg_looks_at_as_many_ranks_as_there_are_relevant_candidates():
    assert ndcg([3, 2, 1, 0], [0, 0, 1, 0.5]) == 0  # both relevant ones are below rank 2
    assert ndcg([0, 0, 3, 2], [0, 0, 1, 0.5]) == 1
    assert math.isnan(ndcg([1, 0], [0, 0]))


def test_a_set_has_the_numbers_of_its_rounds_and_ndcg_of_the_annotated_ones():
    generator = np.random.default_rng(0)
    log_probs = generator.normal(size=(30, 20))
    right = generator.integers(20, size=30)
    relevance = [
        generator.choice([0, 0, 0.5, 1], size=20) if n % 3 == 0 else None for n in range(30)
    ]
    rounds = zip(log_probs, right, relevance, strict=True)
    made = [prediction(p, int(r), v, n) for n, (p, r, v) in enumerate(rounds)]
    scored = METRIC.score(iter(made))
    expected = visdial_scores(log_probs, right)
    expected["mean_rank"] = expected.pop("mean")
    dense = [ndcg(p, v) for p, v in zip(log_probs, relevance, strict=True) if v is not None]
    expected["ndcg"] = np.mean(dense)
    assert next(iter(scored.measures)) == "mrr"
    assert {name: m.value() for name, m in scored.measures.items()} == pytest.approx(expected)
    assert scored.scores.mean() == pytest.approx(expected["mrr"])
    assert scored.notes == ("ndcg is of 10 rounds with dense annotation",)


def test_a_mean_rank_is_not_printed_in_percent():
    scored = METRIC.score([prediction([1, 0, 2], 1)])
    assert scored.measures["mean_rank"].value() == 3
    assert METRIC.unscaled == ("mean_rank",)


def test_without_dense_annotation_there_is_no_ndcg():
    assert "ndcg" not in METRIC.score([prediction([1, 0], 0)]).measures


def test_rounds_without_a_relevant_answer_are_left_out_of_ndcg_and_counted():
    scored = METRIC.score([prediction([1, 0], 0, [0, 0]), prediction([1, 0], 0, [1, 0])])
    assert scored.measures["ndcg"].value() == 1
    assert "ndcg leaves out 1 rounds without a relevant answer" in scored.notes


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_log_probability_that_is_no_number_names_record_and_candidate(bad):
    with pytest.raises(EvaluationError, match=r"visdial/val/7#round1: .* of candidate 1 is"):
        METRIC.score([prediction([0.0, bad, 1.0], 0, number=7)])


def test_incomplete_predictions_are_refused_with_a_reason():
    def lacks(**changes):
        fields = {"log_probs": (0.0, 1.0), "candidates": ("a", "b"), "correct_choice": 1}
        fields |= changes
        return METRIC.lacks(
            Prediction(record_id="x", number=0, group_id="x", prompt="", output="", **fields)
        )

    assert lacks() is None
    assert lacks(relevance=(0.0, 1.0)) is None
    assert "no log_probs" in lacks(log_probs=None)
    assert "2 log_probs for 3 candidates" in lacks(candidates=("a", "b", "c"))
    assert "2 log_probs for 0 candidates" in lacks(candidates=None)
    assert "no correct_choice" in lacks(correct_choice=None)
    assert "correct_choice 2 is none of 2" in lacks(correct_choice=2)
    assert "correct_choice -1 is none of 2" in lacks(correct_choice=-1)
    assert "only one candidate" in lacks(log_probs=(0.0,), candidates=("a",), correct_choice=0)
    assert "3 relevances for 2 candidates" in lacks(relevance=(0.0, 1.0, 1.0))
    for bad in (math.nan, math.inf, -0.5):
        assert f"the relevance of candidate 1 is {bad}" in lacks(relevance=(0.0, bad))


def test_the_right_answers_text_at_other_places_is_counted_and_not_refused():
    repeated = replace(prediction([2, 1, 0], 1), candidates=("yes", "yes", "no"))
    assert METRIC.lacks(repeated) is None
    scored = METRIC.score([repeated, prediction([2, 1, 0], 1)])
    assert scored.scores.tolist() == [0.5, 0.5]
    assert scored.notes == (
        "1 round has the right answer's text at other places too; only the right place counts",
    )
