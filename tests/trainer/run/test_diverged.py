"""A non-finite loss: the run stops, saves its samples, and names the command that replays them."""

import json
import re
import shlex
import shutil

import pytest
from safetensors.torch import load_file, save_file

TOO_FAST = ("optimizer.learning_rate=1e30", "optimizer.steps=8", "checkpoint.every=1")


def poison(model, target):
    """A copy of a model in which one weight is NaN."""
    shutil.copytree(model, target)
    weights = load_file(target / "model.safetensors")
    weights["language_projection.bias"][0] = float("nan")
    save_file(weights, target / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("processes", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_diverged_run_stops_and_the_printed_words_replay_its_samples(warm, setup, processes):
    started = warm.start_all(setup, processes, *TOO_FAST)
    ended = [process.end() for process in started]
    assert [each.status for each in ended] == [2] * processes
    message = ended[0].printed
    assert "Traceback" not in message
    assert message.count("visinstruct: ") == 1
    assert not any(each.printed for each in ended[1:])
    found = re.search(
        r"step (\d+): the (loss|gradient)\S* .*the same command with (--replay \S+)", message
    )
    assert found, message
    step = int(found[1])
    kept = json.loads((setup.output() / f"diverged-step-{step - 1}.json").read_text())
    assert [row["k"] for row in kept["samples"]] == list(range(8 * (step - 1), 8 * step))
    assert len({row["record_id"] for row in kept["samples"]}) > 1
    saved = sorted(path.name for path in (setup.output() / "checkpoints").iterdir())
    assert saved[-1] == f"step-{step - 1:08d}", "the last step before it is there, this one is not"
    again = [p.end() for p in warm.start_all(setup, processes, *TOO_FAST, *shlex.split(found[3]))]
    assert [each.status for each in again] == [0] * processes, again
    for row in kept["samples"]:
        assert f"k={row['k']} {row['record_id']} loss " in again[0].printed


def test_a_poisoned_weight_stops_the_first_step(warm, setup, tiny_t5, tmp_path):
    poison(tiny_t5, tmp_path / "model")
    ended = warm.run(setup, f"model.init.path={tmp_path / 'model'}")
    assert ended.status == 2
    assert "visinstruct: step 1: the loss is nan; samples without a finite loss: " in ended.printed
    assert not (setup.output() / "checkpoints").exists()
    kept = json.loads((setup.output() / "diverged-step-0.json").read_text())
    assert [row["loss"] for row in kept["samples"]] == [None] * 8
    again = warm.run(
        setup,
        f"model.init.path={tmp_path / 'model'}",
        "--replay",
        str(setup.output() / "diverged-step-0.json"),
    )
    assert again.status == 0, again.printed
    assert sum(line.startswith("! k=") for line in again.printed.splitlines()) == 8, again.printed


def test_another_file_than_of_a_diverged_step_is_refused(warm, setup, tmp_path):
    (tmp_path / "other.json").write_text("[]")
    ended = warm.run(setup, "--replay", str(tmp_path / "other.json"))
    assert ended.status == 2
    assert "not a file of a diverged step" in ended.printed
    assert "Traceback" not in ended.printed
