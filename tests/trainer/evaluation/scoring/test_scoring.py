"""Scores made again from saved samples."""

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.base import Mean, Scored
from trainer.evaluation.metrics.log_probs import is_tied
from trainer.evaluation.predictions.prediction import (
    Prediction,
    read_predictions,
    write_predictions,
)
from trainer.evaluation.run import run_evaluation
from trainer.evaluation.scoring.results import read_results
from trainer.evaluation.scoring.scoring import score_folder, worth
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


def uniform(scores: Sequence[float]) -> Scored:
    found = np.array(scores, dtype=np.float64)
    nothing = [None] * len(found)
    return Scored({"accuracy": Mean(found)}, found, nothing, nothing)


@pytest.mark.parametrize(
    ("scores", "error", "num_groups", "sentence"),
    [
        ([1] * 8, 0.0, 8, "score alike.*one-sided 95 % limit is 68.8"),
        ([0] * 100, 0.0, 100, "score alike.*one-sided 95 % limit is 3.0"),
        ([0.5] * 40, 0.0, 40, "score alike, not that the number is exact$"),
        ([0, 1] * 9, 0.1, 9, "uncertain by about 25 %"),
        ([0, 1], math.nan, 1, "no standard error: it needs several images or dialogs, there is 1"),
    ],
)
def test_the_worth_of_an_error_is_told(
    scores: list[float], error: float, num_groups: int, sentence: str
) -> None:
    [note] = worth(uniform(scores), {"accuracy": error}, num_groups)
    assert re.search(sentence, note)


def test_the_error_of_many_varied_records_needs_no_note() -> None:
    assert list(worth(uniform([0, 1] * 30), {"accuracy": 0.06}, 60)) == []


@pytest.mark.parametrize(
    ("log_probs", "fields", "tied"),
    [
        ((-1.0, -1.0), {"correct_choice": 0}, True),
        ((-1.0, -2.0, -2.0), {"correct_choice": 0}, False),
        ((-1.0, -2.0, -2.0), {"correct_choice": 2}, True),
        ((-1.0, -2.0), {"num_positive": 1, "label": True}, False),
        ((-1.0, -1.0), {"num_positive": 1, "label": True}, True),
        ((-1.0, -1.0, -3.0), {}, True),
        ((-1.0, -3.0, -3.0), {}, False),
    ],
)
def test_ties_that_the_order_of_candidates_decides_are_found(
    log_probs: tuple[float, ...], fields: dict[str, Any], tied: bool
) -> None:
    made = Prediction(
        record_id="a/b/0",
        number=0,
        group_id="0",
        prompt="",
        output="a",
        candidates=tuple("abc"[: len(log_probs)]),
        log_probs=log_probs,
        **fields,
    )
    assert is_tied(made) is tied


def test_ties_of_candidates_with_one_text_decide_nothing() -> None:
    made = Prediction(
        record_id="a/b/0",
        number=0,
        group_id="0",
        prompt="",
        output="a",
        candidates=("a", "a", "b"),
        log_probs=(-1.0, -1.0, -2.0),
        correct_choice=1,
    )
    assert not is_tied(made)
