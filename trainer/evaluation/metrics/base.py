"""The interface of a metric: it reads the predictions of a set once; its numbers can be resampled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.predictions.prediction import Prediction

Floats = NDArray[np.float64]


class Measure(Protocol):
    """One number of a set of N predictions."""

    def value(self, weights: Floats | None = None) -> float:
        """The number, where prediction i counts `weights[i]` times (None: each once).

        NaN where no prediction counts.
        """


@dataclass(frozen=True)
class Mean:
    """The mean of `scores` [N]; predictions whose score is NaN count for nothing."""

    scores: Floats

    def value(self, weights: Floats | None = None) -> float:
        counts = ~np.isnan(self.scores)
        if weights is None:
            return float(self.scores[counts].mean()) if counts.any() else float("nan")
        weight = weights[counts]
        total = float(weight.sum())
        return float(weight @ self.scores[counts]) / total if total else float("nan")


@dataclass(frozen=True)
class Scored:
    """A set's numbers by name, the headline first, and what was made of each prediction, in order.

    Numbers are parts of one (CIDEr: to 10), and reported times `Metric.scale`. `scores` [N] are the
    predictions' parts of the headline, NaN where there is none. `notes` say what a reader of the
    number has to know: the tokenizer, how many outputs were empty. `by` are numbers of parts of the
    set, such as NoCaps' domains: `{"domain": {"in-domain": measure}}`.
    """

    measures: Mapping[str, Measure]
    scores: Floats
    normalised: Sequence[str | None]
    normalised_references: Sequence[tuple[str, ...] | None]
    notes: tuple[str, ...] = ()
    by: Mapping[str, Mapping[str, Measure]] = field(default_factory=dict)


class Metric(Protocol):
    """A rule of scoring.

    `scale` turns its numbers into those that papers print (100 nearly always). `normaliser` names what
    both sides go through before they are compared; a protocol says it too. `unscaled` are measures that
    are printed as they are, such as a mean rank; nearly always none.
    """

    @property
    def name(self) -> str: ...

    @property
    def normaliser(self) -> str: ...

    @property
    def scale(self) -> float: ...

    @property
    def unscaled(self) -> tuple[str, ...]: ...

    def lacks(self, prediction: Prediction) -> str | None:
        """Return what a prediction lacks to be scored, or None."""

    def score(self, predictions: Iterable[Prediction]) -> Scored:
        """Score a set; each of `predictions` lacks nothing.

        Raises:
            EvaluationError: they cannot be scored; names the record and the reason.
        """
