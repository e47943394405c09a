"""SIGTERM: a checkpoint is saved, the process exits with 75, and the same command resumes."""

import os
import signal

import pytest
import torch

from trainer.run import checkpoint

LONG = ("optimizer.steps=120", "checkpoint.every=1000")
STOPPED = 75


def last_weights(output):
    return checkpoint.read_tensors(checkpoint.newest(output / "checkpoints", []))


def test_a_process_saves_stops_and_resumes_to_the_weights_of_an_undisturbed_run(
    warm, setup, read_events
):
    steps = ("optimizer.steps=12", "checkpoint.every=1000", "model.qformer_dropout=0.1")
    whole = setup.output("whole")
    warm.run(setup, *steps, f"output={whole}").check()
    process = warm.start(setup, *steps)
    process.wait_for("step      3/")
    os.kill(process.pid, signal.SIGTERM)
    ended = process.end()
    assert ended.status == STOPPED, ended.printed
    assert "start the same command again to resume" in ended.printed
    [saved] = checkpoint.checkpoints(setup.output() / "checkpoints")
    assert 3 <= int(saved.name[5:]) < 12
    ended = warm.run(setup, *steps).check()
    assert f"resuming from {saved}" in ended.printed
    ours, theirs = last_weights(setup.output()), last_weights(whole)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert all(torch.equal(ours[name][part], theirs[name][part]) for part in ours[name])
    assert [line["step"] for line in read_events(setup.output())] == list(range(1, 13))


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_to_one_process_stops_all_at_the_same_step(warm, setup, number):
    processes = warm.start_all(setup, 2, *LONG)
    processes[0].wait_for("step      3/")
    os.kill(processes[1].pid, number)
    assert [process.end().status for process in processes] == [STOPPED, STOPPED]


def test_sigterm_while_the_model_loads_ends_the_run_before_its_first_step(warm, setup):
    process = warm.start(setup, *LONG)
    while not (setup.output() / "lock").exists():
        assert process.poll() is None
    os.kill(process.pid, signal.SIGTERM)
    ended = process.end()
    assert ended.status == STOPPED, ended.printed
    assert "step      1/" not in ended.printed
    assert not (setup.output() / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "whole_group", "status"),
    [
        ("torchrun", False, 1),
        ("deepspeed", False, -signal.SIGTERM),
        ("deepspeed", True, -signal.SIGTERM),
    ],
    ids=["torchrun", "deepspeed alone", "deepspeed and its processes"],
)
def test_sigterm_to_a_launcher_saves_and_the_same_command_resumes(
    setup, launcher, whole_group, status, wait_for_file_with, processes_of, read_events
):
    """With processes that read data: they are sent SIGTERM too, and are needed to the end."""
    start = [*LONG, "data.workers=1"]
    process = setup.start(*start, processes=2, launcher=launcher)
    wait_for_file_with(setup.output() / "metrics.jsonl", '"event": "step"', process)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGTERM)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == status, printed
    assert processes_of(str(setup.config)) == []
    [saved] = checkpoint.checkpoints(setup.output() / "checkpoints")
    assert "start the same command again to resume" in printed
    assert "is gone" not in printed
    last = int(saved.name[5:])
    process = setup.start(*start, processes=2, launcher=launcher)
    wait_for_file_with(
        setup.output() / "metrics.jsonl", f'"event": "step", "step": {last + 1},', process
    )
    os.killpg(process.pid, signal.SIGTERM)
    printed, _ = process.communicate(timeout=60)
    assert f"resuming from {saved}" in printed
    logged = [line["step"] for line in read_events(setup.output())]
    assert logged == list(range(1, len(logged) + 1))
