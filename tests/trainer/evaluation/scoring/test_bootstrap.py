"""Bootstrap errors, against those that are known in closed form."""

import math

import numpy as np
import pytest

from trainer.evaluation.metrics.auroc import Auroc
from trainer.evaluation.metrics.base import Mean, Scored
from trainer.evaluation.scoring.bootstrap import Difference, bootstrap, errors_by, standard_errors

GENERATOR = np.random.default_rng(3)


def scored(scores, **by):
    empty = [None] * len(scores)
    return Scored({"accuracy": Mean(scores)}, scores, empty, empty, by=by)


def alone(number):
    return [f"image {place}" for place in range(number)]


def test_the_error_of_a_mean_is_the_analytic_one():
    scores = GENERATOR.random(500)
    found = standard_errors(scored(scores), alone(500))
    assert found["accuracy"] == pytest.approx(scores.std() / math.sqrt(500), rel=0.08)


def test_records_of_one_image_are_drawn_together():
    scores = np.repeat(GENERATOR.random(100), 5)  # five equal records an image are worth one
    groups = [f"image {place // 5}" for place in range(500)]
    clustered = standard_errors(scored(scores), groups)["accuracy"]
    assert clustered == pytest.approx(scores[::5].std() / math.sqrt(100), rel=0.08)
    assert clustered > 2 * standard_errors(scored(scores), alone(500))["accuracy"]


def test_groups_need_not_be_in_a_row():
    scores = GENERATOR.random(60)
    groups = [f"dialog {place % 12}" for place in range(60)]
    order = np.argsort([int(group.split()[1]) for group in groups], kind="stable")
    sorted_groups = [groups[place] for place in order]
    apart = standard_errors(scored(scores), groups)
    together = standard_errors(scored(scores[order]), sorted_groups)
    assert apart["accuracy"] == pytest.approx(together["accuracy"], rel=1e-9)


def test_the_same_seed_gives_the_same_error_and_another_nearly_so():
    made = scored(GENERATOR.random(200))
    first = standard_errors(made, alone(200), seed=5)
    assert first == standard_errors(made, alone(200), seed=5)
    other = standard_errors(made, alone(200), seed=6)
    assert other != first
    assert other["accuracy"] == pytest.approx(first["accuracy"], rel=0.15)


def test_one_group_has_no_error():
    found = standard_errors(scored(np.array([0.0, 1.0])), ["same", "same"])
    assert math.isnan(found["accuracy"])
    assert math.isnan(standard_errors(scored(np.array([])), [])["accuracy"])


def test_resamples_without_a_number_are_left_out_and_counted():
    area = Auroc([0, 1, 1, 1], [0.1, 0.3, 0.05, 0.9])
    spread = bootstrap({"auroc": area}, alone(4), resamples=400)["auroc"]
    expected = 400 * ((3 / 4) ** 4 + (1 / 4) ** 4)  # the one negative is never drawn, or only it
    assert spread.left_out == pytest.approx(expected, rel=0.2)
    assert 0 < spread.error < 1


def test_a_paired_difference_of_equal_numbers_has_no_error():
    mean = Mean(GENERATOR.random(50))
    better = Mean(mean.scores + 0.1)
    found = bootstrap({"same": Difference(mean, mean), "more": Difference(mean, better)}, alone(50))
    assert found["same"].error == 0
    assert found["more"].error == pytest.approx(0, abs=1e-12)


def test_parts_of_a_set_have_errors_of_their_own():
    scores = GENERATOR.random(400)
    half = np.where(np.arange(400) < 200, scores, np.nan)
    found = errors_by(scored(scores, domain={"in": Mean(half)}), alone(400))
    assert found["domain"]["in"] == pytest.approx(scores[:200].std() / math.sqrt(200), rel=0.12)
