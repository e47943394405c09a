import json

from trainer.config.run import LoggingOptions
from trainer.run.metrics_log import Metrics, wandb_id


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_events_are_lines_of_json_without_nan(tmp_path):
    metrics = Metrics(tmp_path, "run", 10, 0, LoggingOptions())
    metrics.write("step", 1, loss=0.5, gradient_norm=float("nan"), losses={"vqav2": float("inf")})
    metrics.close()
    assert lines(tmp_path) == [
        {"event": "step", "step": 1, "loss": 0.5, "gradient_norm": None, "losses": {"vqav2": None}}
    ]


def test_a_resumed_run_drops_what_was_logged_past_the_checkpoint_and_what_a_kill_cut_off(tmp_path):
    metrics = Metrics(tmp_path, "run", 10, 0, LoggingOptions())
    for step in range(1, 6):
        metrics.write("step", step, loss=float(step))
    metrics.close()
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"event": "step", "st')
    again = Metrics(tmp_path, "run", 10, 3, LoggingOptions())
    again.write("step", 4, loss=40.0)
    again.close()
    assert [(line["step"], line["loss"]) for line in lines(tmp_path)] == [
        (1, 1.0),
        (2, 2.0),
        (3, 3.0),
        (4, 40.0),
    ]


def test_runs_of_one_name_have_ids_of_their_own_at_wandb_and_a_resumed_one_keeps_it(tmp_path):
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    first, other = (wandb_id(folder, "vicuna") for folder in folders)
    assert first != other
    assert first.startswith("vicuna-")
    assert wandb_id(folders[0], "vicuna") == first
