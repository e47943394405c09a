"""Hateful Memes: the area under the ROC curve, of a score that says how sure the model is of yes.

The set's paper (Kiela et al., "The Hateful Memes Challenge", NeurIPS 2020) scores by AUROC and
accuracy. The area is that of scikit-learn's `roc_auc_score`: the probability that a positive ranks
above a negative, a tie counting half. The InstructBLIP paper ranks the words yes and true against no
and false and does not say which score it takes; ours is
log(p(yes) + p(true)) - log(p(no) + p(false)).
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.base import Floats, Mean, Scored
from trainer.evaluation.metrics.log_probs import lacks_classes, log_odds
from trainer.evaluation.predictions.prediction import Prediction


class Auroc:
    """The area for `labels` (true or 1: positive) and `scores` [N]; sorts once.

    Raises:
        EvaluationError: a score is NaN, or a label neither 0 nor 1.
    """

    def __init__(self, labels: ArrayLike, scores: ArrayLike) -> None:
        positive = np.asarray(labels, dtype=np.float64)
        values = np.asarray(scores, dtype=np.float64)
        if positive.shape != values.shape:
            raise EvaluationError(f"AUROC: {positive.size} labels for {values.size} scores")
        if wrong := np.flatnonzero((positive != 0) & (positive != 1)).tolist():
            raise EvaluationError(f"AUROC: label {wrong[0]} is {positive[wrong[0]]}, not 0 or 1")
        if wrong := np.flatnonzero(np.isnan(values)).tolist():
            raise EvaluationError(f"AUROC: score {wrong[0]} is NaN")
        self._order = np.argsort(values, kind="stable")
        self._positive = positive[self._order]
        rising = values[self._order]
        changes = np.flatnonzero(rising[1:] != rising[:-1]) + 1
        self._starts = np.concatenate(([0], changes)) if values.size else changes

    def value(self, weights: Floats | None = None) -> float:
        """The area; NaN where only one class counts."""
        if not self._order.size:
            return float("nan")
        weight = np.ones(len(self._order)) if weights is None else weights[self._order]
        positive = np.add.reduceat(weight * self._positive, self._starts)  # [distinct scores]
        negative = np.add.reduceat(weight * (1 - self._positive), self._starts)
        pairs = float(positive.sum() * negative.sum())
        below = np.cumsum(negative) - negative / 2  # a tie counts half
        return float(positive @ below) / pairs if pairs else float("nan")


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """The area under the ROC curve, as scikit-learn's; NaN where there is only one class.

    Raises:
        EvaluationError: a score is NaN, or a label neither 0 nor 1.
    """
    return Auroc(labels, scores).value()


class AurocMetric:
    """AUROC of ranked verbalizers, and their accuracy beside it (yes where p is equal)."""

    name = "auroc"
    normaliser = "none"
    scale = 100.0
    unscaled: tuple[str, ...] = ()

    def lacks(self, prediction: Prediction) -> str | None:
        return lacks_classes(prediction)

    def score(self, predictions: Iterable[Prediction]) -> Scored:
        """A set has an area, a prediction has none: all `scores` are NaN."""
        labels: list[bool] = []
        odds: list[float] = []
        for prediction in predictions:
            assert prediction.label is not None  # it lacks nothing
            labels.append(prediction.label)
            odds.append(log_odds(prediction))
        right = (np.array(odds) >= 0) == np.array(labels, dtype=bool)
        answers = ["yes" if each >= 0 else "no" for each in odds]
        return Scored(
            measures={"auroc": Auroc(labels, odds), "accuracy": Mean(right.astype(np.float64))},
            scores=np.full(len(odds), np.nan),
            normalised=answers,
            normalised_references=[("yes",) if label else ("no",) for label in labels],
            notes=_notes(labels),
        )


def _notes(labels: Sequence[bool]) -> tuple[str, ...]:
    if len(set(labels)) != 1:
        return ()
    kind = "positive" if labels[0] else "negative"
    return (f"auroc is not defined: all {len(labels):,} labels are {kind}",)
