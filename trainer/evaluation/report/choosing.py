"""The choice of records that a report shows: deterministic, and spread over the set.

- Of those that went wrong, the lowest scores. More of them often share the last score that has room
  than there is room for; then those shown lie evenly over the set, so that neither its beginning nor one
  image with many questions fills the page.
- Of those that went right, and of those without a score, some that lie evenly over the set.
- CIDEr is no verdict: the lowest and the highest images are shown.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.metrics.log_probs import log_odds
from trainer.evaluation.predictions.prediction import Prediction

FULL_SCORE = 1 - 1e-9
GRADED = ("cider",)
"""Metrics whose scores of a record say more or less, not right or wrong."""

_Places = NDArray[np.int64]


class Verdict(StrEnum):
    """The verdict on a record. `SKIPPED` ones have no response, and are counted only."""

    WRONG = "wrong"
    PARTLY = "partly right"
    RIGHT = "right"
    LOWEST = "lowest"
    HIGHEST = "highest"
    UNSCORED = "unscored"
    SKIPPED = "left out"


WENT_WRONG = (Verdict.WRONG, Verdict.PARTLY)


class Standing(NamedTuple):
    """A verdict, and how good the record is among others: worst first."""

    verdict: Verdict
    merit: float


@dataclass(frozen=True)
class Choice:
    """The verdict of each record shown, by its line in the samples, and how many there are of each."""

    shown: Mapping[int, Verdict]
    counts: Mapping[Verdict, int]


def standing(prediction: Prediction, metric: str) -> Standing:
    """The verdict on a record; ranked ones are right or wrong, others may be right in part.

    AUROC gives a record no score: there the surer class stands against the label.
    """
    score = prediction.score
    if prediction.skipped is not None:
        return Standing(Verdict.SKIPPED, 0.0)
    if score is None:
        return _of_label(prediction)
    if metric in GRADED:
        return Standing(Verdict.LOWEST, score)
    if score >= FULL_SCORE:
        return Standing(Verdict.RIGHT, score)
    partly = score > 0 and prediction.log_probs is None
    return Standing(Verdict.PARTLY if partly else Verdict.WRONG, score)


def _of_label(prediction: Prediction) -> Standing:
    if prediction.label is None or not prediction.log_probs or not prediction.num_positive:
        return Standing(Verdict.UNSCORED, 0.0)
    odds = log_odds(prediction)
    right = (odds >= 0) == prediction.label
    return Standing(Verdict.RIGHT if right else Verdict.WRONG, odds if prediction.label else -odds)


def choose(
    predictions: Iterable[Prediction], metric: str, most_wrong: int, most_right: int
) -> Choice:
    """The records to show; keeps two numbers of each of `predictions`."""
    kinds = tuple(Verdict)
    merits, verdicts = array("d"), array("b")
    for each in predictions:
        verdict, merit = standing(each, metric)
        merits.append(merit)
        verdicts.append(kinds.index(verdict))
    merit_of = np.array(merits)
    kind_of = np.array(verdicts)

    def places(*wanted: Verdict) -> _Places:
        return np.flatnonzero(np.isin(kind_of, [kinds.index(each) for each in wanted]))

    graded = places(Verdict.LOWEST)
    if len(graded):
        low = _lowest(merit_of, graded, min(most_wrong, (len(graded) + 1) // 2))
        high = _lowest(-merit_of, np.setdiff1d(graded, low), most_right)
        chosen = [*_named(low, Verdict.LOWEST), *_named(high, Verdict.HIGHEST)]
    else:
        wrong = _lowest(merit_of, places(*WENT_WRONG), most_wrong)
        chosen = [(int(place), kinds[kind_of[place]]) for place in wrong]
        chosen += _named(_spread(places(Verdict.RIGHT), most_right), Verdict.RIGHT)
    chosen += _named(_spread(places(Verdict.UNSCORED), most_right), Verdict.UNSCORED)
    return Choice(dict(chosen), Counter(kinds[number] for number in verdicts))


def _named(places: _Places, verdict: Verdict) -> list[tuple[int, Verdict]]:
    return [(int(place), verdict) for place in places]


def _lowest(merits: NDArray[Any], places: _Places, most: int) -> _Places:
    """Those of `places` with the lowest merit, lowest first; of equal ones spread."""
    if most <= 0 or len(places) == 0:
        return places[:0]
    order = places[np.argsort(merits[places], kind="stable")]
    if len(order) <= most:
        return order
    last = merits[order[most - 1]]
    below = order[merits[order] < last]
    equal = order[merits[order] == last]
    return np.concatenate((below, _spread(equal, most - len(below))))


def _spread(places: _Places, most: int) -> _Places:
    """At most `most` of `places`, in the middles of as many equal parts."""
    if len(places) <= most:
        return places
    numbers = np.arange(most, dtype=np.int64)
    return places[(2 * numbers + 1) * len(places) // (2 * most)]
