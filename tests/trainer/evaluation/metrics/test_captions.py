"""Scores of caption sets: the official numbers, the metric, its notes and domains."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from trainer.errors import EvaluationError
from trainer.evaluation.metrics import pycoco
from trainer.evaluation.metrics.captions import CiderMetric, score_corpus
from trainer.evaluation.metrics.table import metric, resolved_captions
from trainer.evaluation.predictions.prediction import Prediction

ASSETS = Path(__file__).resolve().parents[3] / "assets" / "metrics_cases"
CASES = ASSETS / "caption.jsonl"

CANDIDATES = {"1": "a dog runs on grass", "2": "a red bus", "3": "two people sit at a table"}
REFERENCES = {
    "1": ["A dog is running.", "The dog runs on the grass."],
    "2": ["A red bus on a street.", "A bus, parked."],
    "3": ["Two people sitting at a table.", "A couple at dinner."],
}


def predicted(number, output, references, domain=None):
    return Prediction(
        record_id=f"nocaps/val/{number}",
        number=number,
        group_id=str(number),
        prompt="",
        output=output,
        references=references if references is None else tuple(references),
        tags=None if domain is None else {"domain": domain},
    )


def predictions(domains=(None, None, None)):
    return [
        predicted(number, CANDIDATES[key], REFERENCES[key], domains[number])
        for number, key in enumerate(CANDIDATES)
    ]


@pytest.mark.parametrize("backend", ["own", "pycocoevalcap"])
def test_every_official_case_agrees(backend):
    if backend == "pycocoevalcap" and pycoco.unavailable():
        pytest.skip(pycoco.unavailable())
    rows = [json.loads(line) for line in CASES.read_text().splitlines()]
    assert rows
    for row in rows:
        inputs, expected = row["inputs"], row["expected"]
        candidates = {
            key: value[0] if isinstance(value, list) else value
            for key, value in inputs["hyp"].items()
        }
        scores = score_corpus(candidates, inputs["refs"], backend)
        assert scores.cider == pytest.approx(expected["CIDEr"], abs=1e-9), row["id"]
        assert scores.per_image == pytest.approx(expected["CIDEr_per_item"], abs=1e-9), row["id"]
        assert scores.bleu == pytest.approx(expected["Bleu"], abs=1e-9), row["id"]
        assert scores.rouge_l == pytest.approx(expected["ROUGE_L"], abs=1e-9), row["id"]


def test_scores_are_in_the_order_of_the_candidates():
    backwards = dict(reversed(CANDIDATES.items()))
    forth, back = (score_corpus(each, REFERENCES).per_image for each in (CANDIDATES, backwards))
    assert back.tolist() == pytest.approx(forth.tolist()[::-1])
    assert len(set(forth.tolist())) == 3


@pytest.mark.parametrize(
    ("candidates", "references", "message"),
    [
        ({}, {}, "no captions"),
        ({"1": "a"}, {"1": ["a"], "2": ["b"]}, "'2' has no candidate"),
        ({"1": "a", "2": "b"}, {"1": ["a"]}, "'2' has no references"),
        ({"1": "a"}, {"1": []}, "'1' has no references"),
    ],
)
def test_images_need_a_candidate_and_references(candidates, references, message):
    with pytest.raises(EvaluationError, match=message):
        score_corpus(candidates, references)


def test_an_unknown_backend_is_named_with_the_nearest():
    with pytest.raises(EvaluationError, match="'pycoco', did you mean 'pycocoevalcap'"):
        score_corpus(CANDIDATES, REFERENCES, "pycoco")
    with pytest.raises(EvaluationError, match="unknown backend"):
        CiderMetric(backend="java")


def test_the_metric_gives_what_the_corpus_gives():
    scored, scores = (
        CiderMetric(backend="own").score(predictions()),
        score_corpus(CANDIDATES, REFERENCES),
    )
    assert next(iter(scored.measures)) == "cider"
    assert scored.scores.tolist() == scores.per_image.tolist()
    assert scored.measures["cider"].value() == scores.cider
    assert [scored.measures[f"bleu_{n}"].value() for n in range(1, 5)] == list(scores.bleu)
    assert scored.measures["rouge_l"].value() == scores.rouge_l
    assert scored.normalised[0] == "a dog runs on grass"
    assert scored.normalised_references[1] == ("a red bus on a street", "a bus parked")
    assert not scored.by


def test_resampling_keeps_the_weights_of_the_whole_set():
    scored = CiderMetric(backend="own").score(predictions())
    weights = np.array([2.0, 0, 1])
    expected = (2 * scored.scores[0] + scored.scores[2]) / 3
    assert scored.measures["cider"].value(weights) == pytest.approx(expected)
    for measure in scored.measures.values():
        assert measure.value(np.ones(3)) == pytest.approx(measure.value())
        assert math.isnan(measure.value(np.zeros(3)))


def test_a_domain_has_the_weights_of_its_own_references():
    scored = CiderMetric(backend="own").score(predictions(("in-domain", "out-domain", "in-domain")))
    assert list(scored.by) == ["domain"]
    assert list(scored.by["domain"]) == ["in-domain", "out-domain"]
    of_domain = {key: CANDIDATES[key] for key in ("1", "3")}
    expected = score_corpus(of_domain, {key: REFERENCES[key] for key in of_domain})
    inside = scored.by["domain"]["in-domain"]
    assert inside.value() == pytest.approx(expected.cider)
    assert inside.value() != pytest.approx((scored.scores[0] + scored.scores[2]) / 2)
    assert inside.value(np.array([1.0, 5, 0])) == pytest.approx(expected.per_image[0])
    assert scored.by["domain"]["out-domain"].value() == 0  # one image alone


def test_the_notes_tell_the_backend_and_what_was_odd():
    odd = [
        predicted(0, "", ["A dog."]),
        predicted(1, " \n", ["A cat\u2028sits."]),
        predicted(2, "...", ["A bus.", "A\rred bus."]),
        predicted(3, "a bus", ["A bus."]),
    ]
    scored = CiderMetric(backend="own").score(odd)
    backend, *others = scored.notes
    assert "our own tokenizer" in backend
    assert others == [
        "2 empty outputs, scored by the same rules",
        "1 output without any word",
        "3 texts hold characters that end a line; they were read as blanks",
    ]
    assert scored.scores[:3].tolist() == [0, 0, 0]
    assert scored.normalised_references[1] == ("a cat sits",)


def test_one_image_alone_is_noted():
    scored = CiderMetric(backend="own").score([predicted(0, "a dog", ["a dog"])])
    assert scored.measures["cider"].value() == 0
    assert "CIDEr of one image alone is 0: its n-grams weigh nothing" in scored.notes


@pytest.mark.parametrize(
    ("references", "lacking"), [(None, "no references"), ((), "empty"), (("a dog",), None)]
)
def test_references_are_needed(references, lacking):
    found = CiderMetric(backend="own").lacks(predicted(0, "a dog", references))
    assert found is None if lacking is None else lacking in found


BACKENDS = [
    "own",
    pytest.param(
        "pycocoevalcap",
        marks=pytest.mark.skipif(bool(pycoco.unavailable()), reason=f"{pycoco.unavailable()}"),
    ),
]


@pytest.mark.parametrize("blank", ["", " \n", "\u200b\ufeff", "...", " - "])
def test_references_without_a_word_are_lacking_and_one_among_others_is_not(blank):
    lacks = CiderMetric(backend="own").lacks
    assert "none of its references holds a word" in lacks(predicted(0, "a dog", [blank, "."]))
    assert lacks(predicted(0, "a dog", [blank, "a dog"])) is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_captions_there_are_no_numbers(backend):
    scored = CiderMetric(backend=backend).score(iter(()))
    assert list(scored.measures) == ["cider", *(f"bleu_{n}" for n in range(1, 5)), "rouge_l"]
    assert all(math.isnan(measure.value()) for measure in scored.measures.values())
    assert len(scored.scores) == 0 and not scored.by
    assert scored.notes[-1] == "no caption was scored: there are no numbers"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_domain_whose_references_hold_no_word_has_no_number_and_the_others_theirs(backend):
    made = [*predictions(("in-domain",) * 3), predicted(3, "a dog", ["..."], "near-domain")]
    scored = CiderMetric(backend=backend).score(made)
    alone = CiderMetric(backend=backend).score(made[:3])
    found = scored.by["domain"]
    assert math.isnan(found["near-domain"].value())
    assert math.isnan(found["near-domain"].value(np.ones(4)))
    assert found["in-domain"].value() == alone.by["domain"]["in-domain"].value() > 0
    assert scored.measures["cider"].value() > 0
    assert "domain near-domain: no reference holds a word, it has no number" in scored.notes


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_set_whose_references_hold_no_word_has_no_numbers(backend):
    scored = CiderMetric(backend=backend).score([predicted(0, "a dog", ["..."])])
    assert all(math.isnan(measure.value()) for measure in scored.measures.values())
    assert np.isnan(scored.scores).all()
    assert "no reference of any image holds a word: there are no numbers" in scored.notes


def test_without_a_choice_it_is_pycocoevalcap_where_that_can_be_used(monkeypatch):
    monkeypatch.setattr(pycoco, "unavailable", lambda: "no java")
    assert metric("cider").backend == resolved_captions(None) == resolved_captions("own") == "own"
    for chosen in (resolved_captions, lambda name: metric("cider", captions=name)):
        with pytest.raises(EvaluationError, match=r"no java.* or score with --captions own"):
            chosen("pycocoevalcap")
    monkeypatch.setattr(pycoco, "unavailable", lambda: None)
    assert metric("cider").backend == resolved_captions(None) == "pycocoevalcap"
    assert resolved_captions("own") == "own"
