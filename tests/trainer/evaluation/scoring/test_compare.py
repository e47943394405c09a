"""Two evaluations compared on what they have in common."""

import math

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.auroc import roc_auc
from trainer.evaluation.predictions.prediction import Prediction, write_predictions
from trainer.evaluation.scoring.compare import compare
from trainer.evaluation.scoring.results import RESULTS_FILE, Results, TaskResult, Value


def task(source="iconqa", metric="choice_accuracy", **changes):
    fields = {
        "source": source,
        "split": "test",
        "protocol": source,
        "protocol_sha256": "1" * 64,
        "split_sha256": "2" * 64,
        "metric": metric,
        "normaliser": "none",
        "method": "rank",
        "status": "scored",
        "headline": "accuracy",
        "values": {},
        "by": {},
        "num_scored": 0,
        "num_requests": 0,
        "num_records": 0,
        "expected_records": None,
        "comparable": True,
        "stands_in_for": None,
        "server": None,
        "differences": (),
        "notes": (),
        "paper": {},
    }
    return TaskResult(**(fields | changes))


@pytest.fixture
def evaluation(tmp_path):
    """The folder of an evaluation that has these tasks: its `results.json` and its samples."""

    def evaluation(name, **tasks):
        folder = tmp_path / name
        folder.mkdir()
        results = Results(
            name=name,
            date="2025-01-01",
            device="cpu",
            model={},
            dataset={},
            backbone=None,
            batch_size=1,
            limit=None,
            tasks={task: result for task, (result, _) in tasks.items()},
            left_out={},
            averages={},
            versions={},
        )
        (folder / RESULTS_FILE).write_bytes(msgspec.json.encode(results))
        for task, (_, predictions) in tasks.items():
            write_predictions(folder / f"samples_{task}.jsonl", predictions)
        return folder

    return evaluation


def choice(number, right, *, prompt="Which?", answer=0):
    """Of three choices the right one is chosen, or the one after it."""
    log_probs = [-2.0, -2.0, -2.0]
    chosen = answer if right else (answer + 1) % 3
    log_probs[chosen] = -1.0
    return Prediction(
        record_id=f"iconqa/test/{number}",
        number=number,
        group_id=f"iconqa:{number}",
        prompt=prompt,
        output="abc"[chosen],
        candidates=("a", "b", "c"),
        log_probs=tuple(log_probs),
        correct_choice=answer,
    )


def choices(rights, **fields):
    return [choice(number, right, **fields) for number, right in enumerate(rights)]


def test_the_error_of_a_difference_is_the_paired_one(evaluation):
    generator = np.random.default_rng(4)
    before = generator.random(400) < 0.5
    after = np.where(generator.random(400) < 0.1, ~before, before)  # nine of ten stay as they were
    first = evaluation("a", iconqa=(task(), choices(before)))
    second = evaluation("b", iconqa=(task(), choices(after)))
    found = compare(first, second).tasks["iconqa"]
    number = found.numbers["accuracy"]
    assert number.first == pytest.approx(100 * before.mean())
    assert number.second == pytest.approx(100 * after.mean())
    assert number.difference == pytest.approx(100 * (after.mean() - before.mean()))
    rise = after.astype(float) - before
    assert number.error == pytest.approx(100 * rise.std() / math.sqrt(400), rel=0.1)
    assert number.error < 100 * 0.5 / math.sqrt(400)  # less than that of either side alone
    assert (found.num_better, found.num_worse) == ((rise > 0).sum(), (rise < 0).sum())
    assert found.num_changed == (rise != 0).sum()
    assert found.warnings == ()


def test_changed_records_hold_both_responses(evaluation):
    first = evaluation("a", iconqa=(task(), choices([True, False, True], prompt="A?")))
    second = evaluation("b", iconqa=(task(), choices([True, True, False], prompt="B?")))
    found = compare(first, second, num_items=1).tasks["iconqa"]
    (change,) = found.changes
    assert found.num_changed == 2
    assert change.record_id == "iconqa/test/1"
    assert change.prompts == ("A?", "B?")
    assert change.outputs == ("b", "a")
    assert change.scores == (0, 1)
    assert change.references == ("a",)
    assert "3 of 3 common records have different prompts" in found.warnings


def test_only_common_records_count_in_whatever_order(evaluation):
    first = evaluation("a", iconqa=(task(), choices([True, False, True, True])))
    others = [*choices([False, True, True])[::-1], choice(9, False)]
    second = evaluation("b", iconqa=(task(), others))
    found = compare(first, second, num_items=9).tasks["iconqa"]
    assert (found.num_common, found.num_only) == (3, (1, 1))
    assert found.numbers["accuracy"].first == pytest.approx(200 / 3)
    assert [(each.record_id, each.scores) for each in found.changes] == [
        ("iconqa/test/0", (1, 0)),
        ("iconqa/test/1", (0, 1)),
    ]
    assert "1 records are only in A, and left out here" in found.warnings
    assert "1 records are only in B, and left out here" in found.warnings


def test_a_number_of_the_whole_set_is_resampled_as_one(evaluation):
    generator = np.random.default_rng(5)
    labels = generator.random(60) < 0.5
    odds = generator.normal(size=(2, 60)) + labels

    def memes(values):
        return [
            Prediction(
                record_id=f"hateful_memes/val/{number}",
                number=number,
                group_id=f"meme {number}",
                prompt="?",
                output="yes" if value > 0 else "no",
                candidates=("yes", "no"),
                log_probs=(float(value), 0.0),
                num_positive=1,
                label=bool(label),
            )
            for number, (value, label) in enumerate(zip(values, labels, strict=True))
        ]

    result = task("hateful_memes", "auroc", split="val", headline="auroc")
    first = evaluation("a", hateful_memes=(result, memes(odds[0])))
    second = evaluation("b", hateful_memes=(result, memes(odds[1])[::-1]))
    found = compare(first, second, num_items=1).tasks["hateful_memes"]
    number = found.numbers["auroc"]
    assert number.first == pytest.approx(100 * roc_auc(labels, odds[0]))
    assert number.second == pytest.approx(100 * roc_auc(labels, odds[1]))
    assert 1 < number.error < 15
    assert found.num_better is None and found.num_worse is None
    assert found.num_changed == ((odds[0] > 0) != (odds[1] > 0)).sum()
    assert found.changes[0].scores == (None, None)
    assert found.changes[0].references in (("yes",), ("no",))


def test_a_split_with_hidden_answers_is_compared_by_outputs(evaluation):
    result = task(status="server", server="a server", num_requests=2)
    hidden = [replace(each, correct_choice=None) for each in choices([True, True])]
    other = [hidden[0], replace(hidden[1], output="c")]
    found = compare(
        evaluation("a", iconqa=(result, hidden)), evaluation("b", iconqa=(result, other))
    ).tasks["iconqa"]
    assert found.numbers == {} and found.num_changed == 1


def test_a_hidden_split_without_responses_is_listed_and_not_refused(evaluation):
    hidden, made = task(status="server", server="a server"), choices([True, True])
    requested = replace(hidden, num_requests=2)
    first = evaluation("a", both=(hidden, []), one=(hidden, []), iconqa=(task(), made))
    second = evaluation("b", both=(hidden, []), one=(requested, made), iconqa=(task(), made))
    for path in [*first.glob("samples_[bo]*"), second / "samples_both.jsonl"]:
        path.unlink()
    found = compare(first, second)
    assert list(found.tasks) == ["iconqa"]
    assert (found.server, found.refused) == (("both", "one"), {})


def test_records_that_were_left_out_are_not_common(evaluation):
    made = choices([True, True])
    skipped = [made[0], replace(made[1], output="", log_probs=None, skipped="no image")]
    first = evaluation("a", iconqa=(task(), made))
    second = evaluation("b", iconqa=(task(), skipped))
    assert compare(first, second).tasks["iconqa"].num_common == 1


def test_other_differences_are_warned_of(evaluation):
    first = evaluation("a", iconqa=(task(), choices([True, False])))
    result = task(split_sha256="3" * 64, protocol_sha256="4" * 64, metric="auroc")
    second = evaluation("b", iconqa=(result, choices([True, True], answer=1)))
    warnings = "\n".join(compare(first, second).tasks["iconqa"].warnings)
    assert "the datasets differ: split 222222222222 in A, 333333333333 in B" in warnings
    assert "the protocols differ: iconqa (111111111111) in A, iconqa (444444444444)" in warnings
    assert (
        "A was scored by choice_accuracy, B by auroc; here both are by choice_accuracy" in warnings
    )
    assert "2 of 2 common records have other right answers" in warnings


def test_results_that_are_not_of_the_samples_are_told(evaluation):
    right, wrong = {"accuracy": Value(50.0)}, {"accuracy": Value(75.0)}
    first = evaluation("a", iconqa=(task(values=right), choices([True, False])))
    second = evaluation("b", iconqa=(task(values=wrong), choices([True, False])))
    assert compare(first, second).tasks["iconqa"].warnings == (
        "results.json of B says 75.00, its samples give 50.00; score it again",
    )


def test_one_task_that_cannot_be_compared_does_not_stop_the_others(evaluation):
    made = choices([True, False])
    tasks = {
        "good": (task(), made),
        "split": (task(), made),
        "apart": (task(), made),
        "lost": (task(), made),
        "torn": (task(), made),
        "twice": (task(), made),
        "lacking": (task(), made),
        "unknown": (task(metric="accuracy_of_choice"), made),
        "a_only": (task(), made),
    }
    first = evaluation("a", **tasks)
    del tasks["a_only"]
    tasks["split"] = (task(split="val"), made)
    tasks["apart"] = (task(), [choice(7, True)])
    tasks["twice"] = (task(), [*made, made[0]])
    tasks["lacking"] = (task(), [made[0], replace(made[1], correct_choice=None)])
    tasks["b_only"] = (task(), made)
    second = evaluation("b", **tasks)
    (second / "samples_lost.jsonl").unlink()
    path = second / "samples_torn.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    found = compare(first, second)
    assert list(found.tasks) == ["good"]
    assert (found.only_first, found.only_second) == (("a_only",), ("b_only",))
    assert set(found.refused) == set(tasks) - {"good", "b_only"}
    assert "A evaluated iconqa/test, B iconqa/val" in found.refused["split"]
    assert "no record in common" in found.refused["apart"]
    assert "no such file" in found.refused["lost"]
    assert "samples_torn.jsonl, line 2: no prediction" in found.refused["torn"]
    assert "has a duplicate of iconqa/test/0" in found.refused["twice"]
    assert "record iconqa/test/1: no correct_choice" in found.refused["lacking"]
    assert "unknown metric 'accuracy_of_choice'" in found.refused["unknown"]


def test_folders_without_a_task_in_common_are_refused(evaluation, tmp_path):
    first = evaluation("a", iconqa=(task(), choices([True])))
    second = evaluation("b", gqa=(task("gqa"), choices([True])))
    with pytest.raises(EvaluationError, match="no task in common: iconqa, and gqa"):
        compare(first, second)
    with pytest.raises(EvaluationError, match=r"nowhere holds no results.json"):
        compare(first, tmp_path / "nowhere")
    (second / RESULTS_FILE).write_bytes(b"{")
    with pytest.raises(EvaluationError, match="is corrupt"):
        compare(first, second)


def test_tasks_of_different_names_are_compared_as_pairs(evaluation):
    made = [choice(number, number < 2) for number in range(4)]
    better = [choice(number, True) for number in range(4)]
    first = evaluation("a", iconqa=(task(), made), vsr=(task(), made))
    second = evaluation("b", iconqa=(task(), made), mine=(task(), better))
    found = compare(first, second, pairs=[("iconqa", "mine")])
    assert list(found.tasks) == ["iconqa=mine"]
    assert found.tasks["iconqa=mine"].numbers["accuracy"].difference == pytest.approx(50)
    assert found.only_first == found.only_second == ()
    within = compare(second, second, pairs=[("iconqa", "mine")])
    assert within.tasks["iconqa=mine"].num_better == 2


def test_a_pair_that_an_evaluation_lacks_is_refused_with_the_nearest_name(evaluation):
    folder = evaluation("a", iconqa=(task(), [choice(0, True)]))
    with pytest.raises(
        EvaluationError, match=r"--pair iconqa=iconq: .* has no task 'iconq'.*iconqa"
    ):
        compare(folder, folder, pairs=[("iconqa", "iconq")])


def test_results_files_keep_the_published_key_of_the_number_of_requests():
    assert msgspec.to_builtins(task(num_requests=7))["num_asked"] == 7
