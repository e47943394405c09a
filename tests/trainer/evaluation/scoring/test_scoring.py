"""Scores made again from saved samples."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from trainer.errors import EvaluationError
from trainer.evaluation.predictions.prediction import read_predictions, write_predictions
from trainer.evaluation.run import run_evaluation
from trainer.evaluation.scoring.results import read_results
from trainer.evaluation.scoring.scoring import score_folder
from trainer.evaluation.tasks.options import EvaluationOptions
from trainer.launch.distributed import World

Options = Callable[..., EvaluationOptions]


def test_scoring_again_gives_the_same_bytes(model: Any, options: Options, world: World) -> None:
    run_evaluation(options(tasks=("gqa", "nocaps", "visdial", "hateful_memes")), world)
    folder = options().output
    before = {path.name: path.read_bytes() for path in folder.glob("*.json*")}
    score_folder(folder)
    assert {path.name: path.read_bytes() for path in folder.glob("*.json*")} == before


def test_an_edited_output_changes_the_score(model: Any, options: Options, world: World) -> None:
    from msgspec.structs import replace

    run_evaluation(options(tasks=("gqa",)), world)
    path = options().output / "samples_gqa.jsonl"
    right = [replace(each, output=(each.references or ("",))[0]) for each in read_predictions(path)]
    write_predictions(path, right)
    results = score_folder(options().output)
    score = results.tasks["gqa"].score
    assert score is not None and score.value == 100.0
    assert all(each.score == 1.0 for each in read_predictions(path))
    assert read_results(options().output) == results


def test_samples_that_were_cut_or_doubled_are_refused(
    model: Any, options: Options, world: World
) -> None:
    run_evaluation(options(tasks=("gqa",)), world)
    path = options().output / "samples_gqa.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(EvaluationError, match=r"samples_gqa.jsonl has \d+ records, not \d+"):
        score_folder(options().output)
    path.write_bytes(b"".join([*lines[:-1], lines[0]]))
    with pytest.raises(EvaluationError, match="a duplicate or out of order"):
        score_folder(options().output)
    path.write_bytes(b"".join(lines)[:-9])
    with pytest.raises(EvaluationError, match=rf"line {len(lines)}: no prediction"):
        score_folder(options().output)


def test_a_folder_without_evaluation_is_an_error(options: Options) -> None:
    with pytest.raises(EvaluationError, match="holds no evaluation"):
        score_folder(options().output)


def test_results_say_what_the_numbers_are_of(model: Any, options: Options, world: World) -> None:
    run_evaluation(options(tasks=("gqa",)), world)
    saved = json.loads((options().output / "results.json").read_text())
    task = saved["tasks"]["gqa"]
    assert task["split_sha256"] and task["protocol_sha256"]
    assert task["num_scored"] == task["num_records"] and task["expected_records"] == 12578
    assert "of 12,578 published records" in task["differences"][0]
    assert saved["dataset"]["content_hash"] and saved["versions"]["torch"]
