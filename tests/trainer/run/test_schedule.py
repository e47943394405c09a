import math
from itertools import pairwise

import pytest

from trainer.config.run import BatchOptions, OptimizerOptions
from trainer.data.order.assign import assign
from trainer.errors import ConfigError
from trainer.run.schedule import batch_shape, learning_rate

PAPER = OptimizerOptions()


def test_the_rate_warms_up_linearly_from_its_start():
    assert learning_rate(0, PAPER) == 1e-8
    assert learning_rate(500, PAPER) == pytest.approx((1e-8 + 1e-5) / 2)
    assert learning_rate(1_000, PAPER) == 1e-5


def test_the_rate_falls_by_a_cosine_of_the_step_to_nothing():
    middle = 1_000 + 59_000 // 2
    assert learning_rate(middle, PAPER) == pytest.approx(0.5e-5)
    assert learning_rate(60_000, PAPER) == pytest.approx(0)
    quarter = 1_000 + 59_000 // 4
    assert learning_rate(quarter, PAPER) == pytest.approx(1e-5 * (1 + math.sqrt(0.5)) / 2)
    rates = [learning_rate(step, PAPER) for step in range(1_000, 60_001)]
    assert all(later < earlier for earlier, later in pairwise(rates))


def test_the_cosine_ends_at_the_rate_that_is_asked_for():
    options = OptimizerOptions(steps=10, warmup_steps=0, learning_rate=1.0, end_learning_rate=0.25)
    assert learning_rate(0, options) == 1.0
    assert learning_rate(10, options) == pytest.approx(0.25)


def test_accumulation_follows_from_the_number_of_processes():
    options = BatchOptions(global_size=192, micro_size=12)
    assert batch_shape(options, 16).accumulation == 1
    assert batch_shape(options, 8).accumulation == 2
    assert batch_shape(options, 1).accumulation == 16


def test_a_batch_that_cannot_be_divided_is_refused_with_sizes_that_can():
    with pytest.raises(
        ConfigError, match=r"192 is not a multiple of batch.micro_size 13 x 16.*1, 2, 3, 4, 6, 12"
    ):
        batch_shape(BatchOptions(global_size=192, micro_size=13), 16)
    with pytest.raises(ConfigError, match="has to be a multiple of 5"):
        batch_shape(BatchOptions(global_size=64, micro_size=1), 5)


def test_the_rate_reaches_its_end_in_one_step_and_stays_there():
    options = OptimizerOptions(steps=11, warmup_steps=10, learning_rate=1.0)
    assert learning_rate(10, options) == 1.0
    assert learning_rate(11, options) == pytest.approx(0)
    assert learning_rate(14, options) == pytest.approx(0)


def test_a_run_that_only_warms_up_never_decays():
    options = OptimizerOptions(steps=10, warmup_steps=10, learning_rate=1.0)
    assert learning_rate(10, options) == 1.0


def test_a_divided_batch_can_be_dealt_to_its_processes():
    shape = batch_shape(BatchOptions(global_size=12, micro_size=2), 3)
    assert assign(None, shape) == [[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]


def test_the_sizes_that_fit_go_up_to_the_whole_batch():
    with pytest.raises(ConfigError, match=r"micro_size may be 1, 2, 3, 6$"):
        batch_shape(BatchOptions(global_size=6, micro_size=4), 1)
