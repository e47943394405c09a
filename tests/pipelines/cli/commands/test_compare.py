"""`visinstruct compare`: what it prints of two evaluations."""

import json

import msgspec
import pytest

from trainer.evaluation.predictions.prediction import Prediction, write_predictions
from trainer.evaluation.scoring.results import Results, TaskResult

WORDS = ("[red]red[/red]", "blue\x1b[31m")


def _task(split):
    return TaskResult(
        source="iconqa",
        split=split,
        protocol="iconqa",
        protocol_sha256="1" * 64,
        split_sha256="2" * 64,
        metric="choice_accuracy",
        normaliser="none",
        method="rank",
        status="scored",
        headline="accuracy",
        values={},
        by={},
        num_scored=4,
        num_requests=4,
        num_records=4,
        expected_records=None,
        comparable=True,
        stands_in_for=None,
        server=None,
        differences=(),
        notes=(),
        paper={},
    )


@pytest.fixture
def evaluation(tmp_path):
    """An evaluation of four questions; `rights` marks the right answers."""

    def evaluation(name, rights, split="test"):
        folder = tmp_path / name
        folder.mkdir()
        results = Results(
            name=name,
            date="",
            device="cpu",
            model={},
            dataset={},
            backbone=None,
            batch_size=1,
            limit=None,
            tasks={"iconqa": _task("test"), "iconqa@val": _task(split)},
            left_out={},
            averages={},
            versions={},
        )
        (folder / "results.json").write_bytes(msgspec.json.encode(results))
        predictions = [
            Prediction(
                record_id=f"iconqa/test/{number}",
                number=number,
                group_id=str(number),
                prompt="Which [b]colour[/b]?",
                output=WORDS[not right],
                candidates=WORDS,
                log_probs=(-1.0, -2.0) if right else (-2.0, -1.0),
                correct_choice=0,
            )
            for number, right in enumerate(rights)
        ]
        for task in results.tasks:
            write_predictions(folder / f"samples_{task}.jsonl", predictions)
        return folder

    return evaluation


@pytest.fixture
def folders(evaluation):
    return evaluation("a", [1, 1, 0, 0]), evaluation("b", [1, 1, 1, 0])


def test_the_table_has_both_values_and_their_difference(run, folders):
    outcome = run("compare", *folders, "--items", 0)
    assert outcome.status == 0, outcome.err
    row = next(line for line in outcome.out.splitlines() if line.startswith("iconqa "))
    cells = row.split()
    assert cells[:6] == ["iconqa", "accuracy", "4", "50.00", "75.00", "+25.00"]
    assert cells[7:] == ["1", "0", "1"]
    assert "Which" not in outcome.out


def test_changed_records_are_shown_and_steer_nothing(run, folders):
    outcome = run("compare", *folders)
    assert "iconqa: 1 of 1 changed records" in outcome.out
    shown = outcome.out[outcome.out.index("record") :]
    for text in ("iconqa/test/2", "Which [b]colour[/b]?", "0 in A, 1 in B", WORDS[0]):
        assert text in shown
    assert r"blue\x1b[31m" in shown and "\x1b[31m" not in outcome.out


def test_json_has_what_the_table_has(run, folders):
    outcome = run("compare", *folders, "--json")
    facts = json.loads(outcome.out)
    number = facts["tasks"]["iconqa"]["numbers"]["accuracy"]
    assert (number["first"], number["second"], number["difference"]) == (50, 75, 25)
    assert 5 < number["error"] < 50
    (change,) = facts["tasks"]["iconqa"]["changes"]
    assert change["outputs"] == [WORDS[1], WORDS[0]]


def test_a_task_that_is_not_compared_is_reported_and_sets_the_status(run, evaluation):
    first = evaluation("a", [1, 1])
    outcome = run("compare", first, evaluation("b", [1, 0], split="val"))
    assert outcome.status == 1
    assert "- iconqa@val is not compared: A evaluated iconqa/test, B iconqa/val" in outcome.out


def test_tasks_that_only_a_server_scores_are_listed_once(run, folders):
    for folder in folders:
        path = folder / "results.json"
        results = msgspec.json.decode(path.read_bytes(), type=Results)
        hidden = msgspec.structs.replace(
            results.tasks["iconqa@val"], status="server", server="EvalAI", num_requests=0
        )
        tasks = {**results.tasks, "iconqa@val": hidden}
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(results, tasks=tasks)))
        (folder / "samples_iconqa@val.jsonl").unlink()
    outcome = run("compare", *folders)
    assert outcome.status == 0
    assert outcome.out.count("iconqa@val") == 1
    assert "- not evaluated, a server scores them: iconqa@val" in outcome.out


def test_what_cannot_be_compared_at_all_is_an_error(run, folders, tmp_path):
    outcome = run("compare", folders[0], tmp_path / "nowhere")
    assert outcome.status == 2 and "nowhere holds no results.json" in outcome.message
    assert run("compare", *folders, "--items", -1).message.endswith("--items is 0 or more")
