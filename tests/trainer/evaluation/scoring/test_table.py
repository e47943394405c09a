"""The table that an evaluation ends with."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from trainer.evaluation.run import run_evaluation
from trainer.evaluation.scoring.results import Average, Results
from trainer.evaluation.scoring.table import print_results
from trainer.evaluation.tasks.options import EvaluationOptions
from trainer.launch.distributed import World

Options = Callable[..., EvaluationOptions]


def printed(results: Results) -> str:
    console = Console(file=io.StringIO(), width=120)
    print_results(results, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def results(model: Any, options: Options, world: World) -> Results:
    tasks = ("nocaps", "gqa", "vizwiz", "gqa@val")
    found = run_evaluation(options(tasks=tasks, backbone="vicuna_7b"), world)
    assert found is not None
    return found


def row(text: str, task: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.split()[:1] == [task]]
    return line.split()


def test_the_papers_numbers_stand_beside_this_run(results: Results) -> None:
    line = row(printed(results), "gqa")
    score = results.tasks["gqa"].score
    assert score is not None and f"{score.value:.1f}" in line
    assert line[line.index("of") - 3 : line.index("of") - 1] == ["49.2", "38.6"]


def test_a_hidden_split_says_server_and_what_stands_in_has_no_number_of_the_paper(
    results: Results,
) -> None:
    text = printed(results)
    assert "- (server)" in " ".join(row(text, "vizwiz")) and "34.5" in row(text, "vizwiz")
    for task in ("vizwiz@val", "gqa@val"):
        assert "*" in row(text, task) and not {"34.5", "49.2"} & set(row(text, task))
    assert not [line for line in text.splitlines() if line.startswith("gqa ") and "server" in line]


def test_domains_are_told_with_their_errors(results: Results) -> None:
    [line] = [line for line in printed(results).splitlines() if "by domain" in line]
    assert "in-domain" in line and "out-domain" in line and "±" in line


def test_an_average_says_what_it_lacks_or_that_a_split_is_another(results: Results) -> None:
    assert "no held-out average (8 sets): it lacks textvqa" in printed(results)
    whole = Average(
        value=57.1, sets=("gqa",), lacking=(), other_splits=("gqa",), paper={"instructblip": 50.0}
    )
    line = row(printed(replace(results, averages={"held_out": whole})), "held-out")
    assert line[-4:] == ["57.1", "*", "50.0", "-"]


def test_what_a_dataset_says_about_itself_is_a_note(results: Results) -> None:
    dataset = {"notes": ["the templates are our own"]}
    text = printed(replace(results, dataset=dataset))
    assert "\ndataset: the templates are our own\n" in text


def test_a_task_without_a_score_is_told(results: Results) -> None:
    text = printed(replace(results, failed={"gqa": "task gqa: no word"}))
    assert "NOT SCORED:\n  - task gqa: no word" in text
