"""Our scores of cases whose inputs are scores of candidates."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from trainer.evaluation.conformance.case import Case, Outcome, against
from trainer.evaluation.metrics.auroc import roc_auc
from trainer.evaluation.metrics.base import Mean
from trainer.evaluation.metrics.choices import choose
from trainer.evaluation.metrics.ranks import ndcg, ranks_of, visdial_scores


def visdial(case: Case) -> Iterator[Outcome]:
    """Ranks of the right candidates (`scores` [R, N], `gt_index` [R]), or NDCG of rounds with `relevance`.

    Of several rounds with relevances NDCG is the mean.
    """
    scores = np.atleast_2d(case.array("scores"))
    scores = scores.reshape(-1, scores.shape[-1])  # [R, N], also where dialogs are nested
    values: dict[str, Any] = {}
    if case.has("relevance"):
        relevance = np.atleast_2d(case.array("relevance"))
        relevance = relevance.reshape(-1, relevance.shape[-1])
        if relevance.shape != scores.shape:
            raise case.wrong(f"relevances {relevance.shape} do not fit scores {scores.shape}")
        values["ndcg"] = float(
            np.mean([ndcg(*pair) for pair in zip(scores, relevance, strict=True)])
        )
    if case.has("gt_index") or not values:
        right = case.whole("gt_index").reshape(-1).astype(np.int64)
        if len(right) != len(scores) or right.min() < 0 or right.max() >= scores.shape[1]:
            raise case.wrong(f"`gt_index` does not fit scores of shape {scores.shape}")
        numbers = visdial_scores(scores, right)
        values |= numbers | {"mean_rank": numbers["mean"]}
        values["gt_ranks"] = [int(each) for each in ranks_of(scores)[np.arange(len(right)), right]]
    return against(case, values)


def auroc(case: Case) -> Iterator[Outcome]:
    """The area under the ROC curve, of `labels` and `scores`."""
    area = roc_auc(case.array("labels"), case.array("scores"))
    return against(case, {"expected": area, "auroc": area, "roc_auc": area})


def iconqa(case: Case) -> Iterator[Outcome]:
    """The chosen candidates (`pred`) and how many of 100 are right (`acc`)."""
    answers = case.whole("answers")
    rows = case.input("candidate_scores", list, "a list of scores for each question")
    if len(rows) != len(answers):
        raise case.wrong(f"{len(rows)} rows of candidate_scores for {len(answers)} answers")
    chosen = [choose(_candidate_scores(case, row)) for row in rows]
    accuracy = 100 * Mean(np.equal(chosen, answers).astype(np.float64)).value()
    return against(case, {"expected": accuracy, "acc": accuracy, "pred": chosen})


def _candidate_scores(case: Case, row: Any) -> list[float]:
    numeric = isinstance(row, list) and all(isinstance(each, int | float) for each in row)
    if not numeric or not row or any(np.isnan(row)):
        raise case.wrong("a row of `candidate_scores` is not a list of numbers")
    scores: list[float] = row
    return scores
