"""The plan of a run, printed before it."""

import os
import re
import signal

import pytest


def test_the_plan_gives_counts_memory_batches_mixture_and_time_and_trains_nothing(warm, setup):
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
    records, probability, epochs, validated = vqav2[-4:]
    assert float(epochs) == pytest.approx(float(probability) * 8_000 / int(records), rel=0.01)
    assert int(validated) > 0  # the rows of its validation split; none is reserved
    assert not setup.output().exists()


def test_everything_that_keeps_a_run_from_starting_is_reported_at_once(warm, setup):
    ended = warm.run(
        setup,
        "--dry-run",
        "batch.micro_size=3",
        "data.dataset=/absent",
        "model.init.path=/absent/instructblip-flan-t5-xl",
    )
    assert ended.status == 2
    assert "problem: batch.global_size 8 is not a multiple of batch.micro_size 3" in ended.printed
    assert "problem: /absent is no dataset" in ended.printed
    assert "problem: no such folder: /absent/instructblip-flan-t5-xl" in ended.printed
    assert re.search(r"parameters +187,\d{3},\d{3} in the paper's", ended.printed), ended.printed
    assert "GFLOP a sample" in ended.printed, "the model follows from the folder's name"
    assert "this run cannot start" in ended.printed


def test_a_dry_run_ends_at_sigterm_wherever_it_is(warm, setup):
    process = warm.start(setup, "--dry-run", "batch.global_size=200000")
    process.wait_for("steps ")
    os.kill(process.pid, signal.SIGTERM)
    ended = process.end(60)
    assert ended.status == 75, ended.printed
    assert "visinstruct: stopped by a signal" in ended.printed
    assert "Traceback" not in ended.printed


def test_a_held_out_source_among_those_trained_on_is_warned_of(warm, setup):
    ended = warm.run(setup, "--dry-run", "data.sources=[vqav2, iconqa]").check()
    assert "WARNING: iconqa is a held-out source" in ended.printed
    assert "no zero-shot result" in ended.printed
