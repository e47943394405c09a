import numpy as np
import pytest

from trainer.config.run import ValidationOptions
from trainer.data.order.sample import Place, Sample
from trainer.errors import ConfigError
from trainer.run.validate import (
    Scores,
    check_criterion,
    commonest,
    is_better,
    summary,
    with_other_images,
)


def sample(number: int, group: str, target: str = "a") -> Sample:
    return Sample(
        place=Place(-1, "vqav2", number, 0, number, 0, 0),
        record_id=f"vqav2/val/{number}",
        group_id=group,
        template_id="t",
        instruction="what?",
        target=target,
        images=np.full((1, 3, 4, 4), number, np.uint8),
    )


def test_the_summary_weighs_sources_equally():
    numbers = summary({"vqav2": Scores(1.0, 0.5, 100), "okvqa": Scores(3.0, 0.0, 1)})
    assert (numbers["loss"], numbers["exact"]) == (2.0, 0.25)
    assert (numbers["loss.okvqa"], numbers["exact.vqav2"]) == (3.0, 0.5)
    assert "shuffled" not in numbers


def test_losses_fall_exact_match_rises_and_a_tie_keeps_the_older():
    older = {"loss": 2.0, "exact.vqav2": 0.5}
    assert is_better({"loss": 1.9}, older, "loss")
    assert not is_better({"loss": 2.0}, older, "loss")
    assert is_better({"exact.vqav2": 0.6}, older, "exact.vqav2")
    assert not is_better({"exact.vqav2": 0.5}, older, "exact.vqav2")
    assert is_better({"loss": 9.0}, None, "loss")


def test_a_criterion_that_nothing_measures_is_refused():
    options = ValidationOptions(criterion="exact.gqa")
    with pytest.raises(ConfigError, match=r"exact.gqa: gqa is not validated on; vqav2, okvqa are"):
        check_criterion(options, ["vqav2", "okvqa"])


def test_each_sample_gets_a_image_of_another_group():
    samples = [sample(0, "a"), sample(1, "a"), sample(2, "b"), sample(3, "c")]
    shuffled = with_other_images(samples)
    taken = [int(each.images[0, 0, 0, 0]) for each in shuffled]
    assert taken == [2, 2, 3, 0]
    assert [each.record_id for each in shuffled] == [each.record_id for each in samples]


def test_the_commonest_target_is_what_a_constant_answer_gets():
    targets = ["red", "blue", "red", "red"]
    assert commonest([sample(i, str(i), target) for i, target in enumerate(targets)]) == 0.75


def test_a_criterion_of_scores_needs_its_task():
    options = ValidationOptions(criterion="score.okvqa", tasks=("vqav2",))
    with pytest.raises(ConfigError, match=r"score.okvqa needs okvqa among validation.tasks"):
        check_criterion(options, ["vqav2"])
    check_criterion(ValidationOptions(criterion="score", tasks=("vqav2",)), [])
    name = "aokvqa.multiple_choice"
    check_criterion(ValidationOptions(criterion=f"score.{name}", tasks=(name,)), [])


def test_scores_rise():
    assert is_better({"score": 41.0}, {"score": 40.0}, "score")
    assert not is_better({"score": 39.0}, {"score": 40.0}, "score")
