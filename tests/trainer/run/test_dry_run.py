"""The plan of a run, printed before it."""

import pytest

from trainer.model.trained import ParameterCounts
from trainer.run.plan import memory_by_stage


def test_the_plan_tells_counts_memory_batches_mixture_and_time_and_trains_nothing(warm, setup):
    ended = warm.run(setup, "--dry-run", "optimizer.steps=1000", "batch.micro_size=2").check()
    for expected in (
        "75,216 in the paper's trained set, 70,960 in the optimizer",
        "8 samples = 1 processes x 2 x 4 accumulated",
        "1,000, 8,000 samples",
        "13 sets; each within",
        "*stage 2:",
        "s a step, measured here",
        "this run can start",
    ):
        assert expected in ended.printed, ended.printed
    [vqav2] = [line.split() for line in ended.printed.splitlines() if " vqav2 " in line]
    _, records, probability, epochs, kept_back = vqav2
    assert float(epochs) == pytest.approx(float(probability) * 8_000 / int(records), rel=0.01)
    assert kept_back == "0"
    assert not setup.output().exists()


def test_everything_that_stands_in_the_way_is_told_at_once(warm, setup):
    ended = warm.run(
        setup,
        "--dry-run",
        "batch.micro_size=3",
        "data.dataset=/absent",
        "model.init.path=/absent/model",
    )
    assert ended.status == 2
    assert "problem: batch.global_size 8 is no multiple of batch.micro_size 3" in ended.printed
    assert "problem: /absent is no dataset" in ended.printed
    assert "/absent/model" in ended.printed
    assert "this run cannot start" in ended.printed


def test_stages_divide_what_they_are_said_to_divide():
    counts = ParameterCounts(paper=110, trained=100, frozen=1_000)
    memory = memory_by_stage(counts, frozen_bytes=2_000, copy_bytes=2, world_size=10)
    assert memory == {
        0: 2_000 + 200 + 200 + 1_200,
        1: 2_000 + 200 + 200 + 120,
        2: 2_000 + 200 + 20 + 120,
        3: 200 + 20 + 20 + 120,
    }
