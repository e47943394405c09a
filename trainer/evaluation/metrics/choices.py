"""Accuracy of ranked choices (IconQA, ScienceQA, A-OKVQA) and of ranked yes and no (VSR).

IconQA (lupantech/IconQA, `run_choose_txt/eval.py`, `compute_test_acc`) takes the candidate with the
highest score, of equal ones the first, and counts where it is the right one. ScienceQA
(lupantech/ScienceQA, `tools/evaluate_acc.py`, `get_scores`) and A-OKVQA (allenai/aokvqa,
`evaluation/eval_predictions.py`) count likewise; ScienceQA's script guesses where an output names no
choice, which cannot happen to a ranked one.

Candidates of equal text have equal probabilities: which of them comes first says nothing of the model.
Three of the 1,145 validation questions of A-OKVQA have the right choice twice. As its script compares
texts, each of them is right; the notes say how often that was so.

VSR (cambridgeltl/visual-spatial-reasoning, `analysis_scripts/eval_compute_acc_by_rel.py`) counts where
true or false was predicted rightly, also by relation. The InstructBLIP paper ranks the words yes and
true against no and false, and does not say how two words make one class. Here a class has the
probability of its words together, as for AUROC: a model that spreads yes over two words is not worse
off for it. `best_word_accuracy` beside it goes by the single best word.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.base import Mean, Scored
from trainer.evaluation.metrics.log_probs import (
    equal_to_right,
    lacks_classes,
    lacks_correct_choice,
    log_odds,
    log_probs_of,
    means_by_tag,
)
from trainer.evaluation.predictions.prediction import Prediction


def choose(scores: ArrayLike) -> int:
    """The place of the highest score, of equal ones the first.

    Raises:
        EvaluationError: there are none, or one is NaN.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not values.size:
        raise EvaluationError("no candidate to choose from")
    if np.isnan(values).any():
        raise EvaluationError(f"the score of candidate {int(np.isnan(values).argmax())} is NaN")
    return int(values.argmax())


class ChoiceAccuracy:
    """The part of predictions whose best candidate is the right one; by subject and grade."""

    name = "choice_accuracy"
    normaliser = "none"
    scale = 100.0
    unscaled: tuple[str, ...] = ()

    def lacks(self, prediction: Prediction) -> str | None:
        return lacks_correct_choice(prediction)

    def score(self, predictions: Iterable[Prediction]) -> Scored:
        right: list[bool] = []
        chosen: list[str] = []
        wanted: list[tuple[str, ...]] = []
        tags: list[Mapping[str, str] | None] = []
        num_repeated = 0
        for prediction in predictions:
            candidates, answer = prediction.candidates, prediction.correct_choice
            assert candidates is not None and answer is not None  # it lacks nothing
            choice = choose(log_probs_of(prediction))
            equal = equal_to_right(prediction)
            right.append(choice in equal)
            num_repeated += len(equal) > 1
            chosen.append(candidates[choice])
            wanted.append((candidates[answer],))
            tags.append(prediction.tags)
        scores = np.array(right, dtype=np.float64)
        return Scored(
            measures={"accuracy": Mean(scores)},
            scores=scores,
            normalised=chosen,
            normalised_references=wanted,
            notes=_repeated(num_repeated),
            by=means_by_tag(("subject", "grade"), tags, scores),
        )


def _repeated(num_records: int) -> tuple[str, ...]:
    if not num_records:
        return ()
    have = "record has" if num_records == 1 else "records have"
    return (f"{num_records:,} {have} several candidates of the right one's text; each is right",)


class YesNoAccuracy:
    """The part of predictions whose likelier class is the label (yes if equal); by relation."""

    name = "yes_no_accuracy"
    normaliser = "none"
    scale = 100.0
    unscaled: tuple[str, ...] = ()

    def lacks(self, prediction: Prediction) -> str | None:
        return lacks_classes(prediction)

    def score(self, predictions: Iterable[Prediction]) -> Scored:
        answers: list[bool] = []
        best_words: list[bool] = []
        labels: list[bool] = []
        tags: list[Mapping[str, str] | None] = []
        for prediction in predictions:
            assert prediction.label is not None and prediction.num_positive is not None
            answers.append(log_odds(prediction) >= 0)
            best_words.append(choose(log_probs_of(prediction)) < prediction.num_positive)
            labels.append(prediction.label)
            tags.append(prediction.tags)
        scores = np.equal(answers, labels).astype(np.float64)
        words = np.equal(best_words, labels).astype(np.float64)
        return Scored(
            measures={"accuracy": Mean(scores), "best_word_accuracy": Mean(words)},
            scores=scores,
            normalised=["yes" if answer else "no" for answer in answers],
            normalised_references=[("yes",) if label else ("no",) for label in labels],
            by=means_by_tag(("relation",), tags, scores),
        )
