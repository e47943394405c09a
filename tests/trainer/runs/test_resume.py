"""Going on from a checkpoint: bit for bit in the same plan, to rounding in another."""

import shutil

import pytest
import torch

from trainer import checkpoint
from trainer.config.shipped import shipped_folder


def weights(output):
    return checkpoint.read_tensors(checkpoint.newest(output / "checkpoints", []))


def equal(one, other) -> bool:
    return all(
        torch.equal(one[name][part], other[name][part]) for name in one for part in one[name]
    )


def cut_back(output, copy, step):
    """The run as it was when `step` was saved and it was killed in a later one."""
    shutil.copytree(output, copy, symlinks=True)
    for path in list(checkpoint.checkpoints(copy / "checkpoints")):
        if int(path.name[5:]) > step:
            shutil.rmtree(path)


def stage(number: int) -> str:
    return f"deepspeed={shipped_folder()}/deepspeed/zero{number}.json"


def test_going_on_is_bit_exact_and_works_at_another_stage_and_number_of_processes(
    setup, read_events
):
    dropout = "model.qformer_dropout=0.1"
    setup.run(dropout).check()
    whole = setup.output()
    losses = [line["loss"] for line in read_events(whole, "step")]
    assert len(losses) == 6
    again = setup.output("again")
    cut_back(whole, again, 4)
    ended = setup.run(dropout, f"output={again}").check()
    assert "going on from" in ended.printed
    assert equal(weights(whole), weights(again)), "weights or moments differ"
    assert [line["loss"] for line in read_events(again, "step")] == losses
    assert [line["step"] for line in read_events(again, "step")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
@pytest.mark.parametrize("compute", ["fp32", "bf16"])
def test_going_on_at_other_stages_and_process_counts_gives_the_same_losses_to_rounding(
    setup, read_events, compute
):
    precision = f"precision.compute={compute}"
    setup.run(precision, stage(2), processes=2).check()
    whole = setup.output()
    losses = [line["loss"] for line in read_events(whole, "step")]
    for name, processes, number in [("a", 2, 2), ("b", 1, 3), ("c", 2, 1), ("d", 1, 1)]:
        other = setup.output(name)
        cut_back(whole, other, 2)
        setup.run(precision, stage(number), f"output={other}", processes=processes).check()
        found = [line["loss"] for line in read_events(other, "step")]
        if (processes, number) == (2, 2):
            assert found == losses
            assert equal(weights(whole), weights(other))
        else:
            assert found == pytest.approx(losses, abs=1e-5 if compute == "fp32" else 0.03)


def test_another_run_is_not_gone_on_from_and_every_change_is_named(setup):
    setup.run("optimizer.steps=2").check()
    ended = setup.run("optimizer.steps=4", "seed=5", "data.mixture.rule=uniform")
    assert ended.status == 2
    assert "is of another run, going on would not be the same training" in ended.printed
    assert "seed was 0, is 5" in ended.printed
    assert "optimizer.steps was 2, is 4" in ended.printed
    assert "mixture" in ended.printed
