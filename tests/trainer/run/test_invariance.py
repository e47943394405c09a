"""The same numbers whatever a batch is divided into: processes, accumulation, ZeRO stage."""

import pytest


@pytest.mark.slow
def test_losses_are_equal_over_processes_accumulation_and_all_zero_stages(setup, plan, stage):
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
    found = setup.run_many(1, alone) | setup.run_many(2, shared)
    assert len(found) == 10
    reference = found["one process"]
    assert len(reference) == 6
    assert max(reference) - min(reference) > 0.01, "the steps must differ for this to say anything"
    for name, losses in found.items():
        worst = max(abs(a - b) for a, b in zip(losses, reference, strict=True))
        assert worst < 1e-5, (name, losses, reference)
