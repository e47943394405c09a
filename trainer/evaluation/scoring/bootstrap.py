"""Standard errors by bootstrap over groups: what is resampled are images or dialogs, not records.

Records of one image are not independent (GQA asks many questions about each, Visual Dialog ten), so
errors that took them to be would be too small. G groups are drawn with replacement from the G that
there are, all records of a group together (cluster bootstrap; Efron and Tibshirani, "An Introduction to
the Bootstrap", 1993, chapter 8). The numbers are weighted by how often their groups were drawn, so a
number that is no mean, such as AUROC, is resampled as a whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from trainer.evaluation.metrics.base import Floats, Measure, Scored

RESAMPLES = 1000

Name = TypeVar("Name")


@dataclass(frozen=True)
class Spread:
    """The standard deviation of a number over resamples.

    NaN where there is one group, or fewer than two resamples gave a number. `left_out`
    resamples gave none, such as AUROC where only one class was drawn.
    """

    error: float
    left_out: int


@dataclass(frozen=True)
class Difference:
    """`second` minus `first`, two numbers of the same predictions: of one resample, so paired."""

    first: Measure
    second: Measure

    def value(self, weights: Floats | None = None) -> float:
        return self.second.value(weights) - self.first.value(weights)


def standard_errors(
    scored: Scored, groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, float]:
    """The standard error of each of a set's numbers, by name; `groups` [N] of its predictions.

    The same for the same seed and order of predictions.
    """
    spreads = bootstrap(scored.measures, groups, resamples=resamples, seed=seed)
    return {name: spread.error for name, spread in spreads.items()}


def errors_by(
    scored: Scored, groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, dict[str, float]]:
    """As `standard_errors`, of the parts of a set that `scored.by` has."""
    parts = {
        (name, part): measure
        for name, measures in scored.by.items()
        for part, measure in measures.items()
    }
    result: dict[str, dict[str, float]] = {name: {} for name in scored.by}
    for (name, part), spread in bootstrap(parts, groups, resamples=resamples, seed=seed).items():
        result[name][part] = spread.error
    return result


def bootstrap(
    measures: Mapping[Name, Measure],
    groups: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[Name, Spread]:
    """Return the spread of each number over resamples; all numbers see the same resamples.

    Memory: one weight a prediction, whatever the number of resamples.
    """
    values = {name: np.full(resamples, np.nan) for name in measures}
    for number, weights in enumerate(_weights(groups, resamples, seed)):
        for name, measure in measures.items():
            values[name][number] = measure.value(weights)
    one_group = len(set(groups)) < 2
    return {name: _spread(found, one_group) for name, found in values.items()}


def _weights(groups: Sequence[str], resamples: int, seed: int) -> Iterator[Floats]:
    """Yield the number of draws of each prediction [N], resample by resample."""
    numbers: dict[str, int] = {}
    places = np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in range(resamples if numbers else 0):
        drawn = generator.integers(len(numbers), size=len(numbers))
        yield np.bincount(drawn, minlength=len(numbers)).astype(np.float64)[places]


def _spread(values: Floats, one_group: bool) -> Spread:
    found = values[~np.isnan(values)]
    error = float("nan") if one_group or len(found) < 2 else float(found.std(ddof=1))
    return Spread(error, len(values) - len(found))
