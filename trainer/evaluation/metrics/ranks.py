"""Visual Dialog: where the right answer stands among a round's hundred candidates.

The rule is that of batra-mlp-lab/visdial-challenge-starter-pytorch, `visdialch/metrics.py`:

- Candidates are sorted by falling score; of equal scores the first candidate comes first, as PyTorch
  sorts on the CPU. Ranks count from 1.
- MRR is the mean of 1/rank, R@k the part of rounds whose rank is k or better, over all rounds.
- Where other candidates have the right one's text, only the right one's own place counts, as there; the
  notes say of how many rounds.
- NDCG is of the rounds with dense annotation. k is the number of candidates whose relevance is not
  zero: the relevance of the k best ranked, discounted by log2(rank + 1), over that of the k most
  relevant. A round without a relevant candidate has none (0/0 there).

Numbers may differ from the official ones in the eighth digit, which are computed in single precision.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainer.evaluation.metrics.base import Floats, Mean, Measure, Scored
from trainer.evaluation.metrics.log_probs import (
    equal_to_right,
    lacks_correct_choice,
    log_probs_of,
)
from trainer.evaluation.predictions.prediction import Prediction

RECALLS = (1, 5, 10)


def ranks_of(scores: ArrayLike) -> NDArray[np.int64]:
    """The rank from 1 of each of `scores` [N] (or [R, N], row by row); the highest has rank 1."""
    order = np.argsort(-np.asarray(scores, dtype=np.float64), axis=-1, kind="stable")
    return np.argsort(order, axis=-1, kind="stable") + 1


def visdial_scores(scores: ArrayLike, gt_index: ArrayLike) -> dict[str, float]:
    """mrr, r@1, r@5, r@10 and mean rank of rounds: `scores` [R, N], right candidates `gt_index` [R]."""
    right = np.asarray(gt_index, dtype=np.int64)
    ranks = ranks_of(scores)[np.arange(len(right)), right].astype(np.float64)
    return {name: measure.value() for name, measure in _sparse(ranks).items()}


def ndcg(scores: ArrayLike, relevance: ArrayLike) -> float:
    """NDCG of one round: `scores` and `relevance` [N]. NaN where nothing is relevant."""
    relevances = np.asarray(relevance, dtype=np.float64)
    num_relevant = int(np.count_nonzero(relevances))
    if not num_relevant:
        return float("nan")
    discounts = np.log2(np.arange(num_relevant) + 2)
    found = relevances[np.argsort(ranks_of(scores))][:num_relevant]
    best = np.sort(relevances)[::-1][:num_relevant]
    return float((found / discounts).sum() / (best / discounts).sum())


def _sparse(ranks: Floats) -> dict[str, Mean]:
    recalls = {f"r@{k}": Mean((ranks <= k).astype(np.float64)) for k in RECALLS}
    return {"mrr": Mean(1 / ranks), **recalls, "mean": Mean(ranks)}


class VisdialMetric:
    """MRR of Visual Dialog, and its other numbers beside it; `ndcg` where a round has relevances."""

    name = "visdial"
    normaliser = "none"
    scale = 100.0
    unscaled: tuple[str, ...] = ("mean_rank",)

    def lacks(self, prediction: Prediction) -> str | None:
        if lacking := lacks_correct_choice(prediction):
            return lacking
        relevance, num_candidates = prediction.relevance, len(prediction.candidates or ())
        if relevance is not None and len(relevance) != num_candidates:
            return f"{len(relevance)} relevances for {num_candidates} candidates"
        for place, value in enumerate(relevance or ()):
            if not (math.isfinite(value) and value >= 0):
                return f"the relevance of candidate {place} is {value}, not a number of 0 or more"
        return None

    def score(self, predictions: Iterable[Prediction]) -> Scored:
        ranks: list[int] = []
        dense: list[float] = []
        num_dense = num_repeated = 0
        for prediction in predictions:
            log_probs = log_probs_of(prediction)
            ranks.append(int(ranks_of(log_probs)[prediction.correct_choice]))
            num_repeated += len(equal_to_right(prediction)) > 1
            relevance = prediction.relevance
            num_dense += relevance is not None
            dense.append(float("nan") if relevance is None else ndcg(log_probs, relevance))
        places = np.array(ranks, dtype=np.float64)
        measures: dict[str, Measure] = dict(_sparse(places))
        measures["mean_rank"] = measures.pop("mean")
        if num_dense:
            measures["ndcg"] = Mean(np.array(dense))
        return Scored(
            measures=measures,
            scores=1 / places,
            normalised=[None] * len(ranks),
            normalised_references=[None] * len(ranks),
            notes=(
                *_notes(num_dense, int(np.count_nonzero(~np.isnan(dense)))),
                *_repeated(num_repeated),
            ),
        )


def _notes(num_dense: int, num_relevant: int) -> tuple[str, ...]:
    if not num_dense:
        return ()
    notes = [f"ndcg is of {num_relevant:,} rounds with dense annotation"]
    if num_dense > num_relevant:
        notes.append(
            f"ndcg leaves out {num_dense - num_relevant:,} rounds without a relevant answer"
        )
    return tuple(notes)


def _repeated(num_rounds: int) -> tuple[str, ...]:
    if not num_rounds:
        return ()
    have = "round has" if num_rounds == 1 else "rounds have"
    return (
        f"{num_rounds:,} {have} the right answer's text at other places too; only the right place counts",
    )
