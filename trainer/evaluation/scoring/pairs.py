"""The records that two evaluations of a task have in common, and which of them changed.

Of each record only its id, group, output and two hashes are kept; the files are read again to score
them and to show a few.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.base import Floats, Measure, Metric
from trainer.evaluation.predictions.prediction import Prediction, read_predictions

Places = NDArray[np.int64]
SMALLEST = 1e-9
"""Scores that are nearer than this are the same."""


@dataclass(frozen=True)
class Change:
    """The responses of both sides to a record. Scores are parts of one, None where it has none."""

    record_id: str
    prompts: tuple[str, str]
    outputs: tuple[str, str]
    scores: tuple[float | None, float | None]
    references: tuple[str, ...] | None


@dataclass(frozen=True)
class Side:
    """One side's numbers, taking weights in the order of the pairs, and its `scores` in that order."""

    measures: Mapping[str, Measure]
    scores: Floats


@dataclass(frozen=True)
class _Reordered:
    """A measure of predictions of which the i-th is pair `order[i]`."""

    measure: Measure
    order: Places

    def value(self, weights: Floats | None = None) -> float:
        return self.measure.value(None if weights is None else weights[self.order])


class _Seen(NamedTuple):
    """The part of a prediction that is kept. `prompt` and `right` are hashes of its prompt and its answers."""

    group_id: str
    output: str
    prompt: int
    right: int


class Pairs:
    """The common records of two files of samples, in the order of the first."""

    def __init__(
        self,
        paths: tuple[Path, Path],
        seen: tuple[Mapping[str, _Seen], Mapping[str, _Seen]],
    ) -> None:
        self._paths = paths
        first, second = seen
        self.ids = [record_id for record_id in first if record_id in second]
        self.num_only = len(first) - len(self.ids), len(second) - len(self.ids)
        self._places = {record_id: place for place, record_id in enumerate(self.ids)}
        self._first = [first[record_id] for record_id in self.ids]
        self._second = [second[record_id] for record_id in self.ids]

    @classmethod
    def read(cls, first: Path, second: Path) -> "Pairs":
        """The pairs of two files.

        Raises:
            EvaluationError: one is missing, damaged or has a record twice, or nothing is common.
        """
        seen = _read(first), _read(second)
        pairs = cls((first, second), seen)
        if not pairs.ids:
            raise EvaluationError(
                f"no record in common: {first} has {_some(seen[0])}, {second} has {_some(seen[1])}"
            )
        return pairs

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def groups(self) -> list[str]:
        return [each.group_id for each in self._first]

    def differ(self) -> NDArray[np.bool_]:
        """Mask of the predictions whose outputs differ [N]."""
        both = zip(self._first, self._second, strict=True)
        return np.array([one.output != other.output for one, other in both], dtype=bool)

    def warnings(self) -> Iterator[str]:
        """Why a record's difference may be of something else than the answers."""
        both = list(zip(self._first, self._second, strict=True))
        if number := sum(one.prompt != other.prompt for one, other in both):
            yield f"{number:,} of {len(self):,} common records have different prompts"
        if number := sum(one.right != other.right for one, other in both):
            yield f"{number:,} of {len(self):,} common records have other right answers in A than in B"
        for name, number in zip("AB", self.num_only, strict=True):
            if number:
                yield f"{number:,} records are only in {name}, and left out here"

    def score(self, metric: Metric) -> tuple[Side, Side]:
        """Score both sides on the pairs.

        Raises:
            EvaluationError: a prediction cannot be scored; names the record.
        """
        first, second = (self._score(path, metric) for path in self._paths)
        return first, second

    def _score(self, path: Path, metric: Metric) -> Side:
        order: list[int] = []

        def common() -> Iterator[Prediction]:
            for each in _answered(path):
                if each.record_id in self._places:
                    if lacking := metric.lacks(each):
                        raise EvaluationError(f"{path}, record {each.record_id}: {lacking}")
                    order.append(self._places[each.record_id])
                    yield each

        scored = metric.score(common())
        places = np.array(order, dtype=np.int64)
        scores = np.full(len(self), np.nan)
        scores[places] = scored.scores
        measures = {name: _Reordered(each, places) for name, each in scored.measures.items()}
        return Side(measures, scores)

    def changes(self, places: Places, scores: Floats) -> tuple[Change, ...]:
        """Return the responses of both sides at `places`, in that order; `scores` [2, N]."""
        wanted = {self.ids[place] for place in places}
        first, second = (
            {each.record_id: each for each in _answered(path) if each.record_id in wanted}
            if wanted
            else {}
            for path in self._paths
        )
        result = []
        for place in places:
            one, other = first[self.ids[place]], second[self.ids[place]]
            result.append(
                Change(
                    record_id=one.record_id,
                    prompts=(one.prompt, other.prompt),
                    outputs=(one.output, other.output),
                    scores=(_number(scores[0, place]), _number(scores[1, place])),
                    references=_references(one) or _references(other),
                )
            )
        return tuple(result)


def changed_records(pairs: Pairs, scores: Floats) -> Places:
    """The pairs whose score changed, most first, or whose output did where there is no score.

    `scores` [2, N] are NaN where there is none. A score on one side only is the greatest change.
    """
    absent = np.isnan(scores)
    size = np.abs(np.where(absent, 0.0, scores)[1] - np.where(absent, 0.0, scores)[0])
    size[absent[0] != absent[1]] = np.inf
    outputs = absent.all(axis=0) & pairs.differ()
    changed = np.flatnonzero((size > SMALLEST) | outputs)
    return changed[np.argsort(-size[changed], kind="stable")]


def _read(path: Path) -> dict[str, _Seen]:
    seen: dict[str, _Seen] = {}
    for each in _answered(path):
        if each.record_id in seen:
            raise EvaluationError(
                f"{path} has a duplicate of {each.record_id}; evaluate its task again"
            )
        right = hash((each.references, each.correct_choice, each.label, each.relevance))
        seen[each.record_id] = _Seen(each.group_id, each.output, hash(each.prompt), right)
    return seen


def _answered(path: Path) -> Iterator[Prediction]:
    """Read the predictions of a file, without skipped records."""
    return (each for each in read_predictions(path) if each.skipped is None)


def _some(seen: Mapping[str, _Seen]) -> str:
    return next(iter(seen), "none")


def _references(prediction: Prediction) -> tuple[str, ...] | None:
    """Return the right answers as texts, also where that is a candidate's place or a label."""
    if prediction.references:
        return tuple(dict.fromkeys(prediction.references))
    if prediction.normalised_references:
        return prediction.normalised_references
    candidates, place = prediction.candidates, prediction.correct_choice
    if candidates and place is not None and 0 <= place < len(candidates):
        return (candidates[place],)
    if prediction.label is not None:
        return ("yes" if prediction.label else "no",)
    return None


def _number(score: float) -> float | None:
    return None if np.isnan(score) else float(score)
