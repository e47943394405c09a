"""A run that is killed, at whatever moment, and started again by the same command: nothing is lost."""

import itertools
import random
import threading

import pytest
import torch

from trainer.run import checkpoint

VALIDATED = "validation={every: 4, rows: 2}"


def weights(output):
    return checkpoint.read_tensors(checkpoint.newest(output / "checkpoints", []))


def saving(output) -> bool:
    """Return True if a checkpoint is being written, or was left unfinished."""
    return any((output / "checkpoints").glob("*.tmp"))


def kill_while_starting(process, output, chance):
    threading.Event().wait(chance.uniform(0, 1.5))


def kill_in_a_step(process, output, chance):
    process.wait_for("\nstep ")
    threading.Event().wait(chance.uniform(0, 0.3))


def kill_while_saving(process, output, chance):
    """The file that is there before is of an earlier kill, and goes with the first checkpoint."""
    process.wait_for("\nstep ")
    while process.poll() is None and not saving(output):
        pass


@pytest.mark.slow
def test_a_run_that_is_killed_30_times_ends_as_one_that_is_not(warm, setup, read_events):
    kills, steps = 30, 100
    start = (f"optimizer.steps={steps}", "checkpoint.every=1", "model.qformer_dropout=0.1")
    whole, killed = setup.output("whole"), setup.output()
    warm.run(setup, *start, VALIDATED, f"output={whole}").check()
    chance = random.Random(kills)
    unfinished = 0
    kinds = itertools.cycle([kill_while_saving, kill_in_a_step, kill_while_starting])
    for wait in itertools.islice(kinds, kills):
        process = warm.start(setup, *start, VALIDATED)
        wait(process, killed, chance)
        assert process.poll() is None, f"it ended before it could be killed: {process.printed}"
        process.kill()
        unfinished += saving(killed)
    assert unfinished >= kills // 6, "too few kills met a checkpoint that was being written"
    ended = warm.run(setup, *start, VALIDATED).check()
    assert "resuming from" in ended.printed
    ours, theirs = weights(killed), weights(whole)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert all(torch.equal(ours[name][part], theirs[name][part]) for part in ours[name]), name
    lines, expected = read_events(killed), read_events(whole)
    assert [line["step"] for line in lines] == list(range(1, steps + 1))
    assert [line["next_sample"] for line in lines] == [8 * step for step in range(1, steps + 1)]
    assert [line["loss"] for line in lines] == [line["loss"] for line in expected]
    assert read_events(killed, "validation") == read_events(whole, "validation")
    best = "checkpoints/best"
    assert (killed / best).resolve().name == (whole / best).resolve().name
    assert not saving(killed)
