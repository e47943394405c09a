"""Helpers of metrics of ranked candidates: checks, log-odds, and means of the parts of a set."""

from collections.abc import Mapping, Sequence

import numpy as np

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.base import Floats, Mean
from trainer.evaluation.predictions.prediction import Prediction


def lacks_ranking(prediction: Prediction) -> str | None:
    """Return why its candidates cannot be compared, or None."""
    if prediction.log_probs is None:
        return "no log_probs: this metric scores ranked candidates, not generated text"
    num_candidates = len(prediction.candidates or ())
    if not num_candidates or len(prediction.log_probs) != num_candidates:
        return f"{len(prediction.log_probs)} log_probs for {num_candidates} candidates"
    return None


def lacks_correct_choice(prediction: Prediction) -> str | None:
    """Return why its candidates cannot be compared with the right one, or None."""
    if lacking := lacks_ranking(prediction):
        return lacking
    right, num_candidates = prediction.correct_choice, len(prediction.candidates or ())
    if right is None:
        return "no correct_choice"
    if not 0 <= right < num_candidates:
        return f"correct_choice {right} is none of {num_candidates} candidates"
    if num_candidates == 1:
        return "only one candidate, there is nothing to choose"
    if len(equal_to_right(prediction)) == num_candidates:
        return f"all {num_candidates} candidates are equal ({_right_text(prediction)!r}), there is nothing to choose"
    return None


def equal_to_right(prediction: Prediction) -> tuple[int, ...]:
    """The places of candidates whose text is the right one's, which no model can tell apart.

    Blanks at the ends do not count.
    """
    text = _right_text(prediction)
    found = enumerate(prediction.candidates or ())
    return tuple(place for place, candidate in found if candidate.strip() == text)


def _right_text(prediction: Prediction) -> str:
    candidates, right = prediction.candidates, prediction.correct_choice
    assert candidates is not None and right is not None  # asked for where there are both
    return candidates[right].strip()


def lacks_classes(prediction: Prediction) -> str | None:
    """Return why its verbalizers cannot be compared with a label, or None."""
    if lacking := lacks_ranking(prediction):
        return lacking
    num_positive, num_candidates = prediction.num_positive, len(prediction.candidates or ())
    if num_positive is None:
        return "no num_positive: its candidates are not words for yes and for no"
    if not 0 < num_positive < num_candidates:
        return f"num_positive {num_positive} of {num_candidates} candidates leaves a class empty"
    return "no label" if prediction.label is None else None


def log_probs_of(prediction: Prediction) -> Floats:
    """The log-probabilities of its candidates; minus infinity is one.

    Raises:
        EvaluationError: one of them is NaN or infinite, or none is above minus infinity.
    """
    found = np.asarray(prediction.log_probs, dtype=np.float64)
    wrong = np.isnan(found) | np.isposinf(found)
    if wrong.any():
        place = int(wrong.argmax())
        raise EvaluationError(
            f"{prediction.record_id}: the log-probability of candidate {place} is {found[place]}; the "
            "model overflowed, evaluate it in another precision"
        )
    if np.isneginf(found).all():
        raise EvaluationError(
            f"{prediction.record_id}: every candidate has the log-probability -inf, none is best; the "
            "model overflowed, evaluate it in another precision"
        )
    return found


def log_odds(prediction: Prediction) -> float:
    """Log of the summed probability of the words for yes, minus that of the words for no."""
    found, num_positive = log_probs_of(prediction), prediction.num_positive
    positive = np.logaddexp.reduce(found[:num_positive])
    return float(positive - np.logaddexp.reduce(found[num_positive:]))


def is_tied(prediction: Prediction) -> bool:
    """Return whether the order of the candidates, not their log-likelihoods, decides the prediction.

    The right candidate ties with one of another text; of a vocabulary the best two tie; of yes and no the
    log-odds are zero. Rounding to bfloat16 makes such ties.
    """
    found, right = prediction.log_probs, prediction.correct_choice
    if not found or lacks_ranking(prediction):
        return False
    if right is not None:
        places = range(len(found))
        return any(
            found[place] == found[right] for place in set(places) - {*equal_to_right(prediction)}
        )
    if prediction.num_positive is not None:
        return log_odds(prediction) == 0
    return sorted(found).count(max(found)) > 1


def means_by_tag(
    names: Sequence[str], tags: Sequence[Mapping[str, str] | None], scores: Floats
) -> dict[str, dict[str, Mean]]:
    """The mean of `scores` among predictions of each value of each of the tags `names`.

    Names that no prediction has are left out; values are sorted.
    """
    result = {}
    for name in names:
        found = np.array([(each or {}).get(name) for each in tags], dtype=object)
        values = sorted({value for value in found if value is not None})
        if values:
            result[name] = {
                value: Mean(np.where(found == value, scores, np.nan)) for value in values
            }
    return result
