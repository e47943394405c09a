"""Resuming from a checkpoint: bit for bit in the same plan, to rounding in another."""

import pytest
import torch

from trainer.config.run import OptimizerOptions
from trainer.run import checkpoint
from trainer.run.schedule import learning_rate

OPTIONS = {"learning_rate": 1e-3, "warmup_steps": 1}


def weights(output):
    return checkpoint.read_tensors(checkpoint.newest(output / "checkpoints", []))


def equal(one, other) -> bool:
    assert len(one) > 50
    return all(
        torch.equal(one[name][part], other[name][part]) for name in one for part in one[name]
    )


def test_a_resumed_run_is_bit_exact_with_dropout(setup, run_many, plan, read_events):
    dropout = ("model.qformer_dropout=0.1", "data.workers=1")
    losses = run_many(1, [plan("whole", dropout), plan("again", dropout, ("whole", 4))])
    assert len(losses["whole"]) == 6
    assert losses["again"] == losses["whole"]
    again, whole = setup.output("again"), setup.output("whole")
    assert equal(weights(whole), weights(again)), "weights or moments differ"
    assert [line["step"] for line in read_events(again, "step")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
@pytest.mark.parametrize(("compute", "rounding"), [("fp32", 1e-5), ("bf16", 0.03)])
def test_resuming_at_other_stages_and_process_counts_gives_the_same_losses(
    setup, run_many, plan, stage, compute, rounding
):
    precision = f"precision.compute={compute}"

    def cut(name: str, number: int):
        return plan(name, (precision, stage(number)), ("whole", 2))

    two = run_many(
        2,
        [
            plan("whole", (precision, stage(2))),
            cut("2 to 2", 2),
            cut("2 to 1", 1),
            cut("2 to 3", 3),
        ],
    )
    one = run_many(1, [cut("alone, 2", 2), cut("alone, 3", 3)])
    if compute == "fp32":
        assert two["2 to 2"] == two["whole"]
        assert equal(weights(setup.output("whole")), weights(setup.output("2 to 2")))
    for name, losses in (two | one).items():
        assert losses == pytest.approx(two["whole"], abs=rounding), name


def test_another_run_is_not_resumed_from_and_every_change_is_named(warm, setup):
    warm.run(setup, "optimizer.steps=4").check()
    ended = warm.run(setup, "optimizer.steps=2", "seed=5", "data.mixture.rule=uniform")
    assert ended.status == 2
    assert "is a checkpoint of another run" in ended.printed
    assert "seed was 0, is 5" in ended.printed
    assert "optimizer.steps was 4, is 2" in ended.printed
    assert "mixture" in ended.printed


@pytest.mark.slow
@pytest.mark.parametrize("processes", [3, 5])
def test_stage_3_takes_any_number_of_processes(setup, run_many, plan, stage, processes):
    """Most tensors here have a power of two of elements, which 3 and 5 do not divide."""
    batch = ("batch.global_size=15", "batch.micro_size=1", "optimizer.steps=4")
    whole = (stage(3), *batch)
    found = run_many(
        processes, [plan("whole", whole), plan("again", whole, ("whole", 2))]
    ) | run_many(1, [plan("alone", (stage(2), *batch), ("whole", 2))])
    assert found["again"] == found["whole"]
    assert found["alone"] == pytest.approx(found["whole"], abs=1e-5)
    assert equal(weights(setup.output("whole")), weights(setup.output("again")))


def test_a_run_is_made_longer_when_it_is_resumed(warm, setup, read_events):
    warm.run(setup, "optimizer.steps=2").check()
    ended = warm.run(setup, "optimizer.steps=4").check()
    assert "optimizer.steps was 2, is 4: from here on the learning rate" in ended.printed
    steps = read_events(setup.output())
    assert [line["step"] for line in steps] == [1, 2, 3, 4]
    rates = [learning_rate(step, OptimizerOptions(steps=4, **OPTIONS)) for step in (2, 3)]
    assert [line["learning_rate"] for line in steps[2:]] == rates
    saved = checkpoint.newest(setup.output() / "checkpoints", [])
    assert checkpoint.read_run_state(saved).fingerprint["optimizer"]["steps"] == 4


def test_a_checkpoint_whose_bytes_changed_is_named_and_the_one_before_is_resumed(warm, setup):
    warm.run(setup, "optimizer.steps=4").check()
    damaged = setup.output() / "checkpoints/step-00000004" / checkpoint.MOMENTS
    content = bytearray(damaged.read_bytes())
    content[-100] ^= 1
    damaged.write_bytes(content)
    ended = warm.run(setup, "optimizer.steps=4").check()
    assert (
        "step-00000004 is not an intact checkpoint: optimizer.safetensors has sha256"
        in ended.printed
    )
    assert "resuming from" in ended.printed and "step-00000002" in ended.printed
