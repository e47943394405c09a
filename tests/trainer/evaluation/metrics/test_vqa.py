"""VQA accuracy in its three modes."""

import json
import re
from pathlib import Path

import pytest

from trainer.evaluation.metrics.normalise import one_line, vqa_answer
from trainer.evaluation.metrics.table import metric
from trainer.evaluation.metrics.vqa import leave_equal_out, leave_one_out, official_2021
from trainer.evaluation.predictions.prediction import Prediction

CASES = Path(__file__).resolve().parents[3] / "assets" / "metrics_cases" / "vqa.jsonl"
MODES = ("vqa_official_2021", "vqa_lavis", "vqa_evalai")


def predicted(output, references, **fields):
    return Prediction(
        record_id="vqav2/val/9",
        number=0,
        group_id="coco:9",
        prompt="",
        output=output,
        references=references if references is None else tuple(references),
        **fields,
    )


def accuracy(mode, output, references):
    return metric(mode).score([predicted(output, references)]).measures["accuracy"].value()


def test_every_mode_agrees_with_the_code_that_it_is_named_after():
    rows = [json.loads(line) for line in CASES.read_text().splitlines()]
    assert rows
    for row in rows:
        output, references = row["inputs"]["pred"], tuple(row["inputs"]["gts"])
        official, other = row["expected"], row["not_official_for_comparison"]
        expected = (
            official["official_2021_a013f00"],
            official["official_2016_458a8b2"],
            other["lmms_textvqa"],
        )
        scores = [100 * accuracy(mode, output, references) for mode in MODES]
        assert scores == pytest.approx(expected, abs=1e-6), row
        assert vqa_answer(one_line(output)) == official["normalised_pred"]
        judged = official_2021(output, references)
        without_ids = leave_equal_out(judged.normalised, judged.normalised_references)
        assert 100 * without_ids == pytest.approx(
            official["official_2021_without_answer_id"], abs=1e-6
        )


@pytest.mark.parametrize(
    ("num_equal", "expected"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (10, 1)]
)
def test_annotators_are_left_out_by_place(num_equal, expected):
    answers = ["red"] * num_equal + [f"other {n}" for n in range(10 - num_equal)]
    assert leave_one_out("red", answers) == pytest.approx(expected)


def test_the_modes_differ_where_annotators_all_agree():
    assert [accuracy(mode, "Yes.", ["yes"] * 10) for mode in MODES] == [0, 1, 1]
    assert [accuracy(mode, "two", ["two"] * 10) for mode in MODES] == [1, 0, 1]
    assert [accuracy(mode, "2", ["two"] * 10) for mode in MODES] == [0, 0, 1]


def test_annotators_answers_lose_only_punctuation_in_the_mode_of_lavis():
    references = ["a dog"] * 6 + ["dog."] * 4
    assert [accuracy(mode, "a dog", references) for mode in MODES] == [1, 1, 1]
    references = ["a dog"] * 9 + ["cat"]
    assert [accuracy(mode, "a dog", references) for mode in MODES] == [1, 0, 1]


def test_what_was_compared_is_kept():
    scored = metric("vqa_lavis").score([predicted("The t-shirt", ["a t-shirt", "Shirt."])])
    assert scored.normalised == ["t shirt"]
    assert scored.normalised_references == [("a t shirt", "Shirt")]


def test_answer_types_have_numbers_of_their_own():
    types = ("yes/no", "other", "yes/no", None)
    outputs = ("yes", "yes", "no", "yes")
    scored = metric("vqa_official_2021").score(
        predicted(output, ["yes"] * 10, tags=None if name is None else {"answer_type": name})
        for output, name in zip(outputs, types, strict=True)
    )
    by_type = {name: mean.value() for name, mean in scored.by["answer_type"].items()}
    assert by_type == {"other": 1, "yes/no": 0.5}
    assert scored.measures["accuracy"].value() == 0.75
    assert list(scored.scores) == [1, 1, 0, 1]


def test_without_answer_types_there_are_no_parts():
    assert metric("vqa_lavis").score([predicted("yes", ["yes"] * 10)]).by == {}


@pytest.mark.parametrize("mode", MODES)
def test_empty_outputs_are_scored_and_counted(mode):
    scored = metric(mode).score(predicted(output, ["red"] * 10) for output in ("", " \n", "red"))
    assert list(scored.scores) == [0, 0, 1]
    assert scored.notes == ("2 empty outputs",)
    assert metric(mode).score([predicted("red", ["red"] * 10)]).notes == ()


def test_an_empty_output_can_be_right():
    references = ["the"] * 5 + ["yes"] * 5
    assert accuracy("vqa_official_2021", "", references) == 1


@pytest.mark.parametrize(
    ("references", "lacking"),
    [(None, "no references"), ([], "references are empty"), (["red"], "1 reference, .* needs 2")],
)
def test_a_prediction_without_enough_references_lacks_them(references, lacking):
    reason = metric("vqa_evalai").lacks(predicted("red", references))
    assert reason is not None
    assert re.search(lacking, reason)
    assert metric("vqa_evalai").lacks(predicted("", ["red", "red"])) is None


def test_annotators_who_agree_keep_their_punctuation_in_the_mode_of_lavis():
    assert [accuracy(mode, "yes.", ["yes."] * 10) for mode in MODES] == [1, 0, 1]


@pytest.mark.parametrize("mode", MODES)
def test_leaving_one_out_takes_two_references(mode):
    lacking = metric(mode).lacks(predicted("yes", ["yes"]))
    assert lacking.startswith(f"1 reference, {mode} needs 2 or more")
    assert metric(mode).lacks(predicted("yes", ["yes", "no"])) is None
