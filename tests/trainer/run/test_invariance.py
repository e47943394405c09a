"""The same numbers whatever a batch is divided into: processes, accumulation, ZeRO stage."""

import math

import pytest


@pytest.mark.slow
def test_losses_and_gradients_are_equal_over_processes_accumulation_and_all_zero_stages(
    setup, run_many, plan, stage, read_events
):
    never = "checkpoint.every=100"
    alone = [
        plan("one process", (stage(2), "batch.micro_size=8", never)),
        plan("one process, 4 x 2", (stage(0), "batch.micro_size=2", never)),
    ]
    shared = [
        plan(f"stage {number}, micro {micro}", (stage(number), f"batch.micro_size={micro}", never))
        for number in range(4)
        for micro in (4, 2)
    ]
    found = run_many(1, alone) | run_many(2, shared)
    assert len(found) == 10
    reference = found["one process"]
    assert len(reference) == 6
    assert max(reference) - min(reference) > 0.01, "the steps must differ for this to say anything"
    for name, losses in found.items():
        worst = max(abs(a - b) for a, b in zip(losses, reference, strict=True))
        assert worst < 1e-5, (name, losses, reference)
    norms = {
        name: [line["gradient_norm"] for line in read_events(setup.output(name))] for name in found
    }
    for name, found_norms in norms.items():
        for norm, expected in zip(found_norms, norms["one process"], strict=True):
            assert norm is not None and math.isclose(norm, expected, rel_tol=1e-3), name
