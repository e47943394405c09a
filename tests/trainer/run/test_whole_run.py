"""Results of a whole run: its log, its checkpoints, its validation."""

import pytest
import yaml

from trainer.config.load import load_config
from trainer.run.checkpoint import checkpoints, read_run_state


@pytest.fixture(scope="module")
def finished(warm, shared_setup):
    validation = "validation={every: 2, rows: 6, criterion: loss, controls: true}"
    warm.run(shared_setup, validation, "model.qformer_dropout=0.1").check()
    return shared_setup


def test_every_step_is_logged_with_losses_by_source_rates_and_norms(finished, read_events):
    steps = read_events(finished.output(), "step")
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert [line["next_sample"] for line in steps] == [8, 16, 24, 32, 40, 48]
    for line in steps:
        assert line["loss"] > 0 and line["gradient_norm"] > 0
        assert line["samples_per_s"] > 0 and line["tokens_per_s"] > line["samples_per_s"]
        assert 0 < line["mfu"] < 1 and 0 <= line["data_wait"] < 1
        assert 1 <= len(line["losses"]) <= 8
    assert steps[1]["learning_rate"] == 1e-3 and steps[5]["learning_rate"] < 2e-4
    [start] = read_events(finished.output(), "start")
    assert sum(start["mixture"].values()) == pytest.approx(1)
    assert start["worst_drift"]["observed"] <= start["worst_drift"]["bound"] <= 1.03


def test_validation_looks_at_every_held_in_source_and_no_other(finished, read_events):
    validations = read_events(finished.output(), "validation")
    assert [line["step"] for line in validations] == [2, 4, 6]
    sources = {name.partition(".")[2] for name in validations[0] if name.startswith("loss.")}
    assert len(sources) == 13
    assert {"web_capfilt", "llava_detail", "vqav2"} <= sources
    assert not sources & {"gqa", "vsr", "iconqa", "scienceqa", "nocaps"}
    for line in validations:
        assert 0 <= line["exact"] <= 1 and 0 <= line["shuffled"] <= 1 and 0 < line["majority"] <= 1


def test_the_best_checkpoint_is_the_one_with_the_least_validation_loss(finished, read_events):
    folder = finished.output() / "checkpoints"
    losses = {line["step"]: line["loss"] for line in read_events(finished.output(), "validation")}
    for path in checkpoints(folder):
        state = read_run_state(path)
        assert state.next_sample == 8 * state.step == 8 * int(path.name[5:])
    best = read_run_state((folder / "best").resolve())
    assert best.step == min(losses, key=losses.__getitem__)
    assert best.validation["loss"] == losses[best.step]
    assert len(list(checkpoints(folder))) == 3


def test_the_runs_own_configuration_is_kept_and_can_be_run_again(finished):
    path = finished.output() / "config.yaml"
    assert yaml.safe_load(path.read_text())["model"]["qformer_dropout"] == 0.1
    again, given = load_config(path), load_config(finished.config)
    assert (again.data, again.optimizer) == (given.data, given.optimizer)


def test_the_same_command_again_has_nothing_to_do(warm, finished, read_events):
    before = (finished.output() / "checkpoints/step-00000006/state.json").stat().st_mtime_ns
    validation = "validation={every: 2, rows: 6, criterion: loss, controls: true}"
    warm.run(finished, validation, "model.qformer_dropout=0.1").check()
    assert (finished.output() / "checkpoints/step-00000006/state.json").stat().st_mtime_ns == before
    assert len(read_events(finished.output(), "step")) == 6


def test_cached_features_give_the_same_losses_to_a_thousandth(warm, setup, read_events):
    warm.run(setup, f"output={setup.output('plain')}").check()
    plain = [line["loss"] for line in read_events(setup.output("plain"), "step")]
    cache = f"model.feature_cache={{folder: {setup.folder / 'features'}, max_bytes: 1GB}}"
    for name in ("filling", "filled"):
        warm.run(setup, cache, f"output={setup.output(name)}").check()
        losses = [line["loss"] for line in read_events(setup.output(name), "step")]
        assert losses == pytest.approx(plain, abs=1e-3)
    assert list((setup.folder / "features").rglob("*.f16"))


def test_cached_features_are_refused_where_they_cannot_work(warm, setup, stage):
    cache = f"model.feature_cache.folder={setup.folder / 'features'}"
    ended = warm.run(setup, cache, "data.augmentation=paper_guess")
    assert ended.status == 2 and "needs data.augmentation none" in ended.printed
    ended = warm.run(setup, cache, stage(3))
    assert ended.status == 2 and "does not go with ZeRO stage 3" in ended.printed


def test_bucketing_changes_no_sample_and_no_loss_beyond_rounding(warm, setup, read_events):
    found = {}
    for name, value in (("plain", "false"), ("sorted", "true")):
        output = f"output={setup.output(name)}"
        warm.run(setup, output, "batch.micro_size=2", f"data.bucketing={value}").check()
        found[name] = [line["loss"] for line in read_events(setup.output(name), "step")]
    assert found["sorted"] == pytest.approx(found["plain"], abs=1e-5)
