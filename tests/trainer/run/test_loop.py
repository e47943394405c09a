"""A step compared with torch alone, and the random numbers of each of its forwards."""

from itertools import product
from types import SimpleNamespace

import pytest
import torch

from trainer.batches.collate import Collator
from trainer.config.load import load_config
from trainer.config.run import OptimizerOptions
from trainer.data.stream import Stream
from trainer.model.batch import IGNORED, Batch
from trainer.model.starts.build import build_model
from trainer.model.starts.tokenizers import load_tokenizers
from trainer.model.trained import trained_parameters
from trainer.run import checkpoint, loop
from trainer.run.schedule import seed_for, seed_step


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_step_follows_the_gradient_of_the_mean_cross_entropy_at_the_rate_of_its_number(
    warm, setup, read_events, processes
):
    """AdamW's steps hardly depend on the gradient's scale, so its norm is compared itself."""
    overrides = [
        "optimizer={steps: 2, learning_rate: 1e-3, start_learning_rate: 3e-4, warmup_steps: 1, weight_decay: 0}",
        "batch.micro_size=2",
        "checkpoint.every=1",
    ]
    started = warm.start_all(setup, processes, *overrides)
    assert [each.end().status for each in started] == [0] * processes
    config = load_config(setup.config, overrides)
    model = build_model(config.model, config.seed)
    samples = Stream.open(config.data, config.seed).samples(range(8))
    output = model(Collator(load_tokenizers(config.model))(samples))
    loss = output.loss_sum / output.token_count
    loss.backward()
    trained = trained_parameters(model)
    norm = torch.nn.utils.get_total_norm([p.grad for p in trained.values()])
    first = read_events(setup.output())[0]
    assert first["loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
    assert first["gradient_norm"] == pytest.approx(float(norm), rel=1e-4)
    saved = checkpoint.read_tensors(setup.output() / "checkpoints/step-00000001")
    largest = max(
        float((saved[name]["weight"] - weight.detach()).abs().max())
        for name, weight in trained.items()
    )
    # Adam's first update of a weight is the rate itself, wherever the gradient is not tiny.
    assert largest == pytest.approx(3e-4, rel=1e-2)
    for name, weight in trained.items():
        torch.testing.assert_close(saved[name]["exp_avg"], 0.1 * weight.grad, rtol=1e-3, atol=1e-6)


def test_each_forward_of_a_run_draws_its_own_random_numbers():
    drawn = set()
    for names in product(range(2), range(2), range(2), range(3)):
        seed_step(*names)
        drawn.add(float(torch.rand(())))
    assert len(drawn) == 24


class Engine:
    """Keeps the seed of each forward."""

    def __init__(self) -> None:
        self.seeds: list[int] = []

    def backward(self, batch: Batch, tokens: float) -> SimpleNamespace:
        self.seeds.append(torch.initial_seed())
        return SimpleNamespace(sample_loss=torch.ones(len(batch)))

    def step(self, rate: float) -> float:
        return 1.0


def make_batch() -> Batch:
    ids = torch.ones(2, 3, dtype=torch.int64)
    labels = torch.full((2, 3), IGNORED)
    labels[:, -1] = 1
    return Batch(
        pixels=None,
        qformer_ids=ids,
        qformer_mask=ids,
        input_ids=ids,
        attention_mask=ids,
        labels=labels,
        ks=torch.arange(2),
        num_frames=1,
        num_placeholders=0,
        sources=("vqav2",) * 2,
        record_ids=("a", "b"),
    )


def test_the_loop_seeds_each_micro_batch_of_each_rank_and_step(monkeypatch):
    monkeypatch.setattr(loop, "batch_flops", lambda model, batch: 0.0)
    seeds = []
    for rank, step in product(range(2), range(2)):
        engine = Engine()
        run = SimpleNamespace(
            config=SimpleNamespace(seed=7, optimizer=OptimizerOptions()),
            world=SimpleNamespace(
                rank=rank, device=torch.device("cpu"), sum=lambda values: [float(v) for v in values]
            ),
            setup=SimpleNamespace(engine=engine, cache=None, model=None),
            steps=iter([[make_batch() for _ in range(3)]]),
            stop=SimpleNamespace(received=False),
            meter=SimpleNamespace(add=lambda *numbers: None),
            folder=None,
        )
        loop._step(run, loop.Progress(step=step))
        assert engine.seeds == [seed_for("dropout", 7, step, rank, micro) for micro in range(3)]
        seeds += engine.seeds
    assert len(set(seeds)) == 12
