"""One record of a report: all texts ready to be shown, all numbers as they are printed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from datagen.media.media import UndecodableError
from trainer.evaluation.metrics.log_probs import log_odds
from trainer.evaluation.metrics.ranks import ranks_of
from trainer.evaluation.predictions.prediction import Prediction
from trainer.evaluation.report.choosing import WENT_WRONG, Verdict
from trainer.evaluation.report.thumbnails import Thumbnail, Thumbnails
from trainer.evaluation.report.visible import visible

NUM_TOP = 5
NUM_FRAMES = 4
PERCENT = 100.0

_FILTERED_AS = {
    Verdict.WRONG: "wrong",
    Verdict.LOWEST: "wrong",
    Verdict.PARTLY: "partly",
    Verdict.RIGHT: "right",
    Verdict.HIGHEST: "right",
    Verdict.UNSCORED: "unscored",
}


@dataclass(frozen=True)
class Counted:
    """A text that was given `count` times."""

    text: str
    count: int


@dataclass(frozen=True)
class RankedCandidate:
    """A candidate at its rank, from 1; `right` where it is an answer that counts."""

    rank: int
    text: str
    log_prob: str
    relevance: str | None
    right: bool


@dataclass(frozen=True)
class Card:
    """A record on the page. `filtered_as` is what the filter calls its verdict.

    `normalised` and `normalised_references` are None where they are what stands above them.
    """

    record_id: str
    number: int
    verdict: str
    filtered_as: str
    score: str | None
    prompt: str
    output: str
    normalised: str | None
    references: tuple[Counted, ...] | None
    normalised_references: tuple[Counted, ...] | None
    candidates: tuple[RankedCandidate, ...]
    ranking: str | None
    tags: tuple[tuple[str, str], ...]
    images: tuple[Thumbnail, ...]
    trouble: str | None


def make_card(
    prediction: Prediction, verdict: Verdict, images: Sequence[bytes], thumbnails: Thumbnails
) -> Card:
    shown, trouble = _thumbnails(prediction, images, thumbnails)
    candidates, ranking = _ranking(prediction, verdict)
    normalised, own = prediction.normalised, _counted(prediction.references)
    compared = _counted(prediction.normalised_references)
    score = prediction.score
    return Card(
        record_id=visible(prediction.record_id),
        number=prediction.number,
        verdict=verdict,
        filtered_as=_FILTERED_AS[verdict],
        score=None if score is None else f"{score * PERCENT:.1f}",
        prompt=visible(prediction.prompt),
        output=visible(prediction.output),
        normalised=None
        if normalised is None or normalised == prediction.output
        else visible(normalised),
        references=own,
        normalised_references=None if compared == own else compared,
        candidates=candidates,
        ranking=ranking,
        tags=tuple(
            (visible(name), visible(value)) for name, value in (prediction.tags or {}).items()
        ),
        images=shown,
        trouble=trouble,
    )


def _thumbnails(
    prediction: Prediction, images: Sequence[bytes], thumbnails: Thumbnails
) -> tuple[tuple[Thumbnail, ...], str | None]:
    """The images that can be shown, and why one cannot."""
    shown, trouble = [], None
    for image in images[:NUM_FRAMES]:
        try:
            shown.append(thumbnails.add(image))
        except UndecodableError as error:
            trouble = visible(f"image not readable: {error}")
    if not images:
        trouble = f"image not at hand: {visible(', '.join(prediction.images) or 'it has no path')}"
    return tuple(shown), trouble


def _counted(texts: Sequence[str] | None) -> tuple[Counted, ...] | None:
    if texts is None:
        return None
    return tuple(Counted(visible(text), count) for text, count in Counter(texts).most_common())


def _ranking(
    prediction: Prediction, verdict: Verdict
) -> tuple[tuple[RankedCandidate, ...], str | None]:
    """The best candidates, the right one where it stands lower, and a sentence about its place."""
    texts, log_probs = prediction.candidates, prediction.log_probs
    if not texts or log_probs is None or len(log_probs) != len(texts):
        return (), None
    ranks = [int(rank) for rank in ranks_of(log_probs)]
    right = _right_ones(prediction)
    order = sorted(range(len(texts)), key=ranks.__getitem__)
    first_right = next((place for place in order if place in right), None)
    shown = order[:NUM_TOP]
    if first_right is not None and first_right not in shown:
        shown.append(first_right)
    relevance = prediction.relevance or ()
    rows = tuple(
        RankedCandidate(
            ranks[place],
            visible(texts[place]),
            f"{log_probs[place]:.2f}",
            f"{relevance[place]:.2f}" if place < len(relevance) else None,
            place in right,
        )
        for place in shown
    )
    best = None if first_right is None else ranks[first_right]
    return rows, _place(prediction, best, verdict)


def _right_ones(prediction: Prediction) -> set[int]:
    """Return which candidates count as right, as far as the prediction tells."""
    candidates = prediction.candidates or ()
    if prediction.correct_choice is not None:
        return {prediction.correct_choice}
    if prediction.num_positive is not None and prediction.label is not None:
        positive = set(range(prediction.num_positive))
        return positive if prediction.label else set(range(len(candidates))) - positive
    accepted = {*(prediction.references or ()), *(prediction.normalised_references or ())}
    return {place for place, text in enumerate(candidates) if text in accepted}


def _place(prediction: Prediction, best: int | None, verdict: Verdict) -> str | None:
    candidates = prediction.candidates or ()
    total = prediction.num_candidates or len(candidates)
    if prediction.num_positive is not None:
        label = {True: "; label yes", False: "; label no", None: ""}[prediction.label]
        return f"log-odds of yes {log_odds(prediction):+.2f}{label}"
    if best is not None:
        return f"the right answer is at rank {best:,} of {total:,}"
    if verdict in WENT_WRONG and len(candidates) < total:
        return f"the right answer is not among the {len(candidates)} best of {total:,}"
    return f"{total:,} candidates"
