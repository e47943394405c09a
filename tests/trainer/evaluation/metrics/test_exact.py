"""Exact match, of texts as they are and of normalised ones."""

import json
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from trainer.evaluation.metrics.answers import AnswerMetric
from trainer.evaluation.metrics.exact import equal
from trainer.evaluation.metrics.table import metric
from trainer.evaluation.predictions.prediction import Prediction

ASSETS = Path(__file__).resolve().parents[3] / "assets" / "metrics_cases"
CASES = ASSETS / "exact_match_lavis.jsonl"


def predicted(output, *references):
    return Prediction(
        record_id="gqa/testdev/9",
        number=0,
        group_id="9",
        prompt="",
        output=output,
        references=references,
    )


def accuracy(name, output, *references):
    return metric(name).score([predicted(output, *references)]).measures["accuracy"].value()


def test_both_rules_agree_with_the_official_ones():
    rows = [json.loads(line) for line in CASES.read_text().splitlines()]
    assert rows
    for row in rows:
        pair = row["inputs"]["pred"], row["inputs"]["gt"]
        assert 100 * accuracy("exact_match_lavis", *pair) == row["expected"], row
        assert 100 * accuracy("exact_match", *pair) == row["raw_string_equal"], row


@pytest.mark.parametrize(
    ("output", "reference", "plain", "normalised"),
    [
        ("left", "left", 1, 1),
        ("Left", "left", 0, 1),
        ("the man", "man", 0, 1),
        ("two", "2", 0, 1),
        ("none", "zero", 0, 1),
        ("can't", "cant", 0, 1),
        ("men", "man", 0, 0),
        ("", "the", 0, 1),
        (" left\n", "left", 0, 1),
    ],
)
def test_normalised_match_forgives_what_plain_equality_does_not(
    output, reference, plain, normalised
):
    assert accuracy("exact_match", output, reference) == plain
    assert accuracy("exact_match_lavis", output, reference) == normalised


def test_any_of_several_references_will_do():
    assert accuracy("exact_match", "couch", "sofa", "couch") == 1
    assert accuracy("exact_match_lavis", "A couch", "sofa", "couch") == 1


def test_an_empty_output_is_wrong_and_counted():
    scored = metric("exact_match").score([predicted("", "left"), predicted("left", "left")])
    assert scored.measures["accuracy"].value() == 0.5
    assert scored.notes == ("1 empty output",)


def test_hidden_answers_are_lacking():
    hidden = Prediction(record_id="r", number=0, group_id="r", prompt="", output="left")
    assert "no references" in (metric("exact_match").lacks(hidden) or "")


@pytest.mark.parametrize("blank", ["", " \t\u3000", "\u200b", "\ufeff \u2060"])
@pytest.mark.parametrize("name", ["exact_match", "exact_match_lavis", "ivqa", "vqa_lavis"])
def test_references_that_are_all_blank_are_lacking_and_one_among_others_is_not(name, blank):
    lacks = metric(name).lacks
    assert "all its references are blank" in (lacks(predicted("left", blank, "")) or "")
    assert "its only reference is blank" in (lacks(predicted("left", blank)) or "")
    assert lacks(predicted("left", blank, "left")) is None


def test_one_reference_is_enough_and_the_first_of_blank_ones_is_shown():
    assert metric("exact_match").lacks(predicted("red", "red")) is None
    lacking = metric("exact_match").lacks(predicted("red", " ", "\t"))
    assert lacking == "all its references are blank (' '), there is nothing to compare with"


def test_a_metric_of_answers_is_named_and_stays():
    with pytest.raises(TypeError):
        AnswerMetric("mine", "none", equal)
    with pytest.raises(FrozenInstanceError):
        metric("exact_match").scale = 1.0


@pytest.mark.parametrize(
    ("output", "reference", "right"),
    [
        ("1,50", "150", 0),
        ("1.50", "150", 0),
        ("3.", "3", 1),
        (".5", "5", 0),
        ("-5", "5", 0),
        ("50 %", "50", 0),
        ("The Valve.", "the valve", 1),
        ("the valve", "valve", 0),
        ("A", "the", 0),
        ("none", "0", 0),
        ("„Ja“", "ja", 1),
        ("ausgelöst", "ausgelo\u0308st", 1),
        ("STRASSE", "Straße", 1),
        ("(B)", "b", 1),
        ("...", "...", 1),
        ("...", "?", 0),
    ],
)
def test_own_texts_are_equal_without_regard_to_case_and_marks_around_words(
    output, reference, right
):
    assert accuracy("exact_match_text", output, reference) == right
