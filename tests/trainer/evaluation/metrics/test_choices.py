"""Ranked choices, and yes or no, against the sets' own scripts."""

import json
import math
from pathlib import Path

import pytest
from msgspec.structs import replace

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.choices import ChoiceAccuracy, YesNoAccuracy, choose
from trainer.evaluation.predictions.prediction import Prediction

CASES = Path(__file__).resolve().parents[3] / "assets" / "metrics_cases"
WORDS = ("yes", "true", "no", "false")


def cases(name):
    found = [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text().splitlines()]
    assert found
    return found


def prediction(log_probs, **fields):
    candidates = tuple("abcdefgh"[: len(log_probs)])
    fields = {"candidates": candidates, "log_probs": tuple(log_probs)} | fields
    return Prediction(
        record_id="iconqa/test/9", number=0, group_id="9", prompt="", output="", **fields
    )


def statement(probabilities, label, **fields):
    return prediction(
        [math.log(p) for p in probabilities],
        candidates=WORDS,
        num_positive=2,
        label=label,
        **fields,
    )


def test_icon_questions_are_scored_as_by_iconqa():
    for case in cases("iconqa_choose_txt"):
        rows, answers = case["inputs"]["candidate_scores"], case["inputs"]["answers"]
        assert [choose(row) for row in rows] == case["expected"]["pred"]
        made = [prediction(r, correct_choice=a) for r, a in zip(rows, answers, strict=True)]
        accuracy = ChoiceAccuracy().score(made).measures["accuracy"].value()
        assert accuracy * 100 == pytest.approx(case["expected"]["acc"], abs=1e-10)


def test_science_questions_are_scored_as_by_scienceqa():
    for case in cases("scienceqa"):
        problems, predicted = case["inputs"]["problems"], case["inputs"]["pred_index"]
        made, with_image = [], []
        for key, problem in problems.items():
            if problem["split"] != "test":
                continue
            log_probs = [-2.0] * len(problem["choices"])
            log_probs[predicted[key]] = -1.0
            tags = {"subject": problem["subject"], "grade": problem["grade"]}
            made.append(prediction(log_probs, correct_choice=problem["answer"], tags=tags))
            if problem["image"]:
                with_image.append(made[-1])
        found = ChoiceAccuracy().score(made).by
        for subject in ("natural", "social", "language"):
            accuracy = found["subject"][f"{subject} science"].value()
            assert f"{100 * accuracy:.2f}" == case["expected"][f"acc_{subject}"]
        assert set(found["grade"]) == {problems[key]["grade"] for key in predicted}
        accuracy = ChoiceAccuracy().score(with_image).measures["accuracy"].value()
        assert f"{100 * accuracy:.2f}" == case["expected"]["acc_has_image"]


@pytest.mark.parametrize("all_true", [True, False])
def test_statements_are_scored_as_by_vsr(all_true):
    """The labels are not at hand; how many of each relation are true follows from the case itself."""
    by_rule = {case["inputs"]["preds_rule"]: case for case in cases("vsr")}
    case = by_rule["all_true" if all_true else "all_false"]
    num_all, expected = case["inputs"]["n"], case["expected"]
    num_right = round(expected["acc_overall_pct_from_labels"] * num_all / 100)
    relations = [
        (relation, right < round(part * total))
        for relation, (part, total) in expected["official_per_relation_top5"].items()
        for right in range(total)
    ]
    left = num_right - sum(right for _, right in relations)
    relations += [("other", place < left) for place in range(num_all - len(relations))]
    probabilities = (0.4, 0.3, 0.2, 0.1) if all_true else (0.2, 0.1, 0.4, 0.3)
    scored = YesNoAccuracy().score(
        statement(probabilities, all_true if right else not all_true, tags={"relation": relation})
        for relation, right in relations
    )
    accuracy = scored.measures["accuracy"].value() * 100
    assert accuracy == pytest.approx(expected["acc_overall_pct_from_labels"], abs=1e-10)
    for relation, (part, _) in expected["official_per_relation_top5"].items():
        assert round(scored.by["relation"][relation].value(), 4) == part


def test_of_equal_choices_the_first_is_chosen():
    assert choose([-3.0, -1.0, -1.0]) == 1
    with pytest.raises(EvaluationError, match="candidate 1 is NaN"):
        choose([0.0, math.nan])
    with pytest.raises(EvaluationError, match="no candidate"):
        choose([])


def test_choices_tell_what_was_chosen_and_what_was_right():
    scored = ChoiceAccuracy().score(iter([prediction([-2.0, -1.0], correct_choice=0)]))
    assert scored.scores.tolist() == [0]
    assert scored.normalised == ["b"]
    assert scored.normalised_references == [("a",)]
    assert scored.by == {}


def test_parts_count_only_records_that_have_the_tag():
    made = [
        prediction([0.0, 1.0], correct_choice=1, tags={"grade": "grade2"}),
        prediction([0.0, 1.0], correct_choice=0, tags={"grade": "grade2", "subject": "art"}),
        prediction([0.0, 1.0], correct_choice=0),
    ]
    scored = ChoiceAccuracy().score(made)
    found = {
        name: {value: measure.value() for value, measure in parts.items()}
        for name, parts in scored.by.items()
    }
    assert found == {"subject": {"art": 0}, "grade": {"grade2": 0.5}}
    assert scored.measures["accuracy"].value() == pytest.approx(1 / 3)


def test_a_class_has_the_probability_of_its_words_together():
    scored = YesNoAccuracy().score([statement((0.3, 0.3, 0.39, 0.01), True)])
    assert scored.measures["accuracy"].value() == 1
    assert scored.measures["best_word_accuracy"].value() == 0
    assert scored.normalised == ["yes"]
    assert scored.normalised_references == [("yes",)]


def test_equal_classes_mean_yes():
    made = [statement((0.25, 0.25, 0.25, 0.25), True), statement((0.25, 0.25, 0.25, 0.25), False)]
    scored = YesNoAccuracy().score(made)
    assert scored.scores.tolist() == [1, 0]
    assert scored.measures["best_word_accuracy"].value() == 0.5


@pytest.mark.parametrize("metric", [ChoiceAccuracy(), YesNoAccuracy()])
def test_a_log_probability_that_is_no_number_names_the_record(metric):
    fields = {"correct_choice": 0, "num_positive": 1, "label": True}
    with pytest.raises(EvaluationError, match=r"iconqa/test/9: .* candidate 1 is nan"):
        metric.score([prediction([0.0, math.nan], **fields)])


def test_incomplete_predictions_are_refused_with_a_reason():
    assert ChoiceAccuracy().lacks(prediction([0.0, 1.0], correct_choice=1)) is None
    assert "no correct_choice" in ChoiceAccuracy().lacks(prediction([0.0, 1.0]))
    lacks = ChoiceAccuracy().lacks
    assert "correct_choice -1 is none of 2" in lacks(prediction([0.0, 1.0], correct_choice=-1))
    assert "correct_choice 2 is none of 2" in lacks(prediction([0.0, 1.0], correct_choice=2))
    assert lacks(prediction([0.0], correct_choice=0)) == (
        "only one candidate, there is nothing to choose"
    )
    same = prediction([0.0, 0.0], correct_choice=1, candidates=("cat", "cat "))
    assert lacks(same) == "all 2 candidates are equal ('cat'), there is nothing to choose"
    generated = replace(prediction([0.0]), log_probs=None)
    assert "no log_probs" in ChoiceAccuracy().lacks(generated)
    assert YesNoAccuracy().lacks(statement((0.1, 0.2, 0.3, 0.4), False)) is None
    assert "no label" in YesNoAccuracy().lacks(statement((0.1, 0.2, 0.3, 0.4), None))


def test_a_right_choice_that_is_there_twice_is_right_at_either_place():
    """As in three questions of A-OKVQA, whose script compares texts."""
    twice = ("none", "four", "none")
    made = [
        prediction([-1.0, -2.0, -1.0], correct_choice=2, candidates=twice),
        prediction([-1.0, -2.0, -1.0], correct_choice=0, candidates=twice),
        prediction([-2.0, -1.0, -2.0], correct_choice=0, candidates=twice),
        prediction([-1.0, -2.0, -1.0], correct_choice=1, candidates=twice),
    ]
    assert {ChoiceAccuracy().lacks(each) for each in made} == {None}
    scored = ChoiceAccuracy().score(made)
    assert scored.scores.tolist() == [1, 1, 0, 0]
    assert scored.notes == (
        "3 records have several candidates of the right one's text; each is right",
    )


def test_the_notes_count_records_with_the_right_text_twice():
    once = prediction([-1.0, -2.0], correct_choice=0)
    twice = replace(prediction([-1.0, -2.0, -3.0], correct_choice=0), candidates=("a", "b", "a"))
    assert ChoiceAccuracy().score([once]).notes == ()
    [note] = ChoiceAccuracy().score([once, twice]).notes
    assert note.startswith("1 record has several candidates of the right one's text")
    [note] = ChoiceAccuracy().score([twice, twice]).notes
    assert note.startswith("2 records have several candidates of the right one's text")


def test_the_best_single_word_decides_the_accuracy_beside_it():
    made = [
        statement((0.3, 0.29, 0.4, 0.01), True),  # yes together, no by its best word
        statement((0.4, 0.1, 0.3, 0.2), True),
        statement((0.1, 0.1, 0.2, 0.6), False),
        statement((0.1, 0.5, 0.2, 0.2), False),
    ]
    measures = YesNoAccuracy().score(made).measures
    assert measures["accuracy"].value() == 3 / 4
    assert measures["best_word_accuracy"].value() == 2 / 4
