"""Means, errors and verdicts of the miniature ablations."""

import json

import pytest

from benchmarks.ablations.runs import HELD_IN, HELD_OUT
from benchmarks.ablations.tables import Comparison, Document, Mean


def numbers(held_in, held_out):
    return {**dict.fromkeys(HELD_IN, held_in), **dict.fromkeys(HELD_OUT, held_out)}


FOUND = {
    "better": [numbers(0.6, 0.50), numbers(0.7, 0.60)],
    "worse": [numbers(0.5, 0.52), numbers(0.6, 0.58)],
}


def test_the_standard_error_is_that_of_the_mean_and_absent_for_one_seed():
    assert Mean.of([0.1, 0.3]) == Mean(pytest.approx(0.2), pytest.approx(0.1), 2)
    assert str(Mean.of([0.1, 0.3])) == "20.0 ± 10.0"
    assert str(Mean.of([0.25])) == "25.0"


def test_few_seeds_have_to_agree_better_than_many():
    assert Mean(0.1, 0.03, 3).bound == pytest.approx(0.129)
    assert Mean(0.1, 0.03, 10).bound == pytest.approx(0.0678)


def test_settings_are_compared_seed_by_seed():
    compared = Comparison.of("what", "first better", "better", "worse", FOUND)
    assert compared.held_in.value == pytest.approx(0.1)
    assert compared.held_in.error == pytest.approx(0, abs=1e-9)
    assert compared.verdict(compared.held_in) == "the first"
    assert compared.verdict(compared.held_out) == "undecided"
    other = Comparison.of("what", "first better", "worse", "better", FOUND)
    assert other.verdict(other.held_in) == "**the second**"
    alone = Comparison.of("", "", "better", "worse", {n: runs[:1] for n, runs in FOUND.items()})
    assert alone.verdict(alone.held_in) == "undecided"


def test_the_document_has_a_row_a_setting_and_leaves_unknown_controls_blank(tmp_path):
    document = Document(
        question="Does it?",
        settings={"better": "this", "worse": "that"},
        num_scenes=12,
        steps=3,
        counts={"vqav2": 7},
        found=FOUND,
        controls={"guesser": {"vqav2": 0.8}},
        comparisons=[Comparison.of("this or that", "this", "better", "worse", FOUND)],
    )
    document.write(tmp_path / "miniature.json")
    assert json.loads((tmp_path / "miniature.json").read_text())["found"]["worse"][1]["gqa"] == 0.58
    text = (tmp_path / "miniature.md").read_text()
    assert "| better | 65.0 ± 5.0 | 55.0 ± 5.0 |" in text
    assert "| guesser |  |  | 80.0 |" in text
    assert "| this or that | this | 10.0 ± 0.0 | the first |" in text
