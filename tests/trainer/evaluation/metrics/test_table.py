"""The metrics by name."""

import pytest

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.table import METRICS, metric, resolved_captions


@pytest.mark.parametrize("name", METRICS)
def test_every_name_gives_the_metric_of_that_name(name):
    found = metric(name)
    assert found.name == name
    assert found.scale == 100
    assert found.normaliser
    assert isinstance(found.unscaled, tuple)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(
        EvaluationError, match=r"unknown metric 'vqa_lavvis', did you mean 'vqa_lavis'"
    ):
        metric("vqa_lavvis")


def test_the_backend_of_captions_is_the_chosen_one():
    assert resolved_captions("own") == "own"
    assert metric("cider", "own").backend == "own"
