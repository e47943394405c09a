"""Metrics that compare an output with the annotators' answers, one prediction at a time."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from templates.blank import is_blank
from trainer.evaluation.metrics.base import Mean, Scored
from trainer.evaluation.metrics.log_probs import means_by_tag
from trainer.evaluation.predictions.prediction import Prediction


class Judged(NamedTuple):
    """An output's score, 0 to 1, and what was compared."""

    score: float
    normalised: str
    normalised_references: tuple[str, ...]


Judge: TypeAlias = Callable[[str, tuple[str, ...]], Judged]


@dataclass(frozen=True, kw_only=True)
class AnswerMetric:
    """The mean score that `judge` gives each output and its references.

    min_references   fewer make the rule meaningless
    by               tags whose values get numbers of their own
    difficult_tag    a second number, `accuracy_without_difficult`, leaves out records whose tag is "true"

    An empty output is judged like any other; the notes say how many there were.
    """

    name: str
    normaliser: str
    judge: Judge
    scale: float = 100.0
    unscaled: tuple[str, ...] = ()
    min_references: int = 1
    by: tuple[str, ...] = ()
    difficult_tag: str | None = None

    def lacks(self, prediction: Prediction) -> str | None:
        references = prediction.references
        if references is None:
            return "no references; are the answers of this split hidden?"
        if not references:
            return "its references are empty"
        if all(map(is_blank, references)):
            held = "its only reference is" if len(references) == 1 else "all its references are"
            return f"{held} blank ({references[0]!r}), there is nothing to compare with"
        if len(references) < self.min_references:
            return (
                f"{len(references)} reference, {self.name} needs {self.min_references} or more, since it "
                "compares with all but one"
            )
        return None

    def score(self, predictions: Iterable[Prediction]) -> Scored:
        judged: list[Judged] = []
        tags: list[Mapping[str, str] | None] = []
        num_empty = 0
        for prediction in predictions:
            assert prediction.references  # it lacks nothing
            judged.append(self.judge(prediction.output, prediction.references))
            tags.append(self._kept(prediction.tags))
            num_empty += not prediction.output.strip()
        scores = np.array([each.score for each in judged], dtype=np.float64)
        measures = {"accuracy": Mean(scores)}
        difficult = np.array([_is_true(each, self.difficult_tag) for each in tags], dtype=bool)
        if difficult.any():
            measures["accuracy_without_difficult"] = Mean(np.where(difficult, np.nan, scores))
        return Scored(
            measures=measures,
            scores=scores,
            normalised=[each.normalised for each in judged],
            normalised_references=[each.normalised_references for each in judged],
            notes=(f"{num_empty:,} empty output{'s' * (num_empty != 1)}",) if num_empty else (),
            by=means_by_tag(self.by, tags, scores),
        )

    def _kept(self, tags: Mapping[str, str] | None) -> Mapping[str, str] | None:
        """The tags that count here: a set's other tags need not stay in memory."""
        wanted = self.by if self.difficult_tag is None else (*self.by, self.difficult_tag)
        kept = {name: tags[name] for name in wanted if name in tags} if tags else {}
        return kept or None


def _is_true(tags: Mapping[str, str] | None, name: str | None) -> bool:
    return tags is not None and name is not None and tags.get(name) == "true"
