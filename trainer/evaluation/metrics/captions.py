"""Scores of captions: CIDEr-D first, BLEU-1 to 4 and ROUGE-L beside it.

Two backends give the same numbers where they see the same tokens, and nearly always they do:

`own`            our tokenizer (`ptb`), CIDEr-D, BLEU and ROUGE-L
`pycocoevalcap`  the tokenizer and the scorers that captions are scored with everywhere, an optional
                 extra that needs Java

The weights of CIDEr come from the references of the set that is scored, so that the number of a part of
a set is not that of the whole: where records have a `domain` (NoCaps), each domain's CIDEr is computed
with the weights of its own references. A set or a domain without captions, or in which no reference
holds a word, has no numbers (NaN, and a note says so): pycocoevalcap would end with an error.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from trainer.errors import EvaluationError
from trainer.evaluation.metrics import ptb, pycoco
from trainer.evaluation.metrics.backends import checked, resolved
from trainer.evaluation.metrics.base import Floats, Mean, Measure, Scored
from trainer.evaluation.metrics.bleu import Bleu, bleu_counts
from trainer.evaluation.metrics.cider import cider_d
from trainer.evaluation.metrics.ngrams import MAX_N, corpus
from trainer.evaluation.metrics.rouge import rouge_l
from trainer.evaluation.predictions.prediction import Prediction


@dataclass(frozen=True)
class CorpusScores:
    """A set's numbers, CIDEr 0 to 10, the others 0 to 1; `per_image` is CIDEr in the order of keys."""

    cider: float
    bleu: tuple[float, float, float, float]
    rouge_l: float
    per_image: Floats


class _Tokens(NamedTuple):
    """Tokenised captions of N images."""

    candidates: list[str]
    references: list[tuple[str, ...]]


def score_corpus(
    candidates: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    backend: str = "own",
) -> CorpusScores:
    """Score a caption for each image against the image's references, in the order of `candidates`.

    >>> scores = score_corpus(
    ...     {"1": "a dog runs", "2": "a red bus"},
    ...     {"1": ["A dog runs."], "2": ["A bus.", "A red bus."]},
    ... )
    >>> round(scores.cider, 4)
    7.2243

    Raises:
        EvaluationError: the images differ, one has no reference, or the backend cannot be used.
    """
    if not candidates:
        raise EvaluationError("there are no captions to score")
    if candidates.keys() != references.keys():
        name = next(iter(candidates.keys() ^ references.keys()))
        raise EvaluationError(
            f"{len(candidates):,} candidates, {len(references):,} images with references; image "
            f"{name!r} has {'no references' if name in candidates else 'no candidate'}"
        )
    for name, captions in references.items():
        if not captions:
            raise EvaluationError(f"image {name!r} has no references")
    tokens = _tokenize(
        list(candidates.values()),
        [tuple(references[name]) for name in candidates],
        checked(backend),
    )
    measures, scores = _score(tokens, backend)
    values = {name: measure.value() for name, measure in measures.items()}
    bleu_1, bleu_2, bleu_3, bleu_4 = (values[f"bleu_{n}"] for n in range(1, MAX_N + 1))
    bleu = (bleu_1, bleu_2, bleu_3, bleu_4)
    return CorpusScores(values["cider"], bleu, values["rouge_l"], scores)


def _tokenize(
    candidates: Sequence[str], references: Sequence[tuple[str, ...]], backend: str
) -> _Tokens:
    """References and candidates are a file each, as pycocoevalcap has it."""
    tokenizer = ptb.tokenize_lines if backend == "own" else pycoco.tokenize
    flat = iter(tokenizer(list(chain.from_iterable(references))))
    return _Tokens(tokenizer(candidates), [tuple(islice(flat, len(each))) for each in references])


def _score(tokens: _Tokens, backend: str) -> tuple[dict[str, Measure], Floats]:
    """The measures of tokenised captions, and CIDEr of each image.

    pycocoevalcap's BLEU is a number of the whole set; ours, which can be resampled, is the same.
    """
    words = corpus(tokens.candidates, tokens.references)
    counts = bleu_counts(words)
    bleu: dict[str, Measure] = {f"bleu_{n}": Bleu(counts, n) for n in range(1, MAX_N + 1)}
    if backend == "own":
        cider, rouge = cider_d(words), rouge_l(tokens.candidates, tokens.references)
    else:
        official = pycoco.score(tokens.candidates, tokens.references)
        cider, rouge = official.cider, official.rouge_l
        for (name, measure), theirs in zip(bleu.items(), official.bleu, strict=True):
            if not np.isclose(found := measure.value(), theirs, rtol=1e-9, atol=1e-12):
                raise EvaluationError(
                    f"{name} of {len(cider):,} captions is {theirs} by pycocoevalcap {pycoco.installed_version()} "
                    f"and {found} by our sums; is it version 1.2? Score with --captions own, and report it"
                )
    return {"cider": Mean(cider), **bleu, "rouge_l": Mean(rouge)}, cider


def _score_if_any(tokens: _Tokens, backend: str) -> tuple[dict[str, Measure], Floats]:
    """The same; NaN for all where there are no captions or no reference holds a word."""
    if any(chain.from_iterable(tokens.references)):
        return _score(tokens, backend)
    nothing = np.full(len(tokens.candidates), np.nan)
    names = ("cider", *(f"bleu_{n}" for n in range(1, MAX_N + 1)), "rouge_l")
    return {name: Mean(nothing) for name in names}, nothing


class CiderMetric:
    """CIDEr of a set, with BLEU and ROUGE-L; empty captions are scored by the same rules, and counted.

    Without a `backend` it is pycocoevalcap where that and Java are at hand, else ours; the notes say.
    """

    name = "cider"
    normaliser = "ptb"
    scale = 100.0
    unscaled: tuple[str, ...] = ()

    def __init__(self, backend: str | None = None) -> None:
        self.backend = resolved(backend)

    def lacks(self, prediction: Prediction) -> str | None:
        if prediction.references is None:
            return "no references; are the captions of this split hidden?"
        if not prediction.references:
            return "its references are empty"
        if not any(map(ptb.tokenize, prediction.references)):
            return (
                f"none of its references holds a word (the first is {prediction.references[0]!r})"
            )
        return None

    def score(self, predictions: Iterable[Prediction]) -> Scored:
        candidates: list[str] = []
        references: list[tuple[str, ...]] = []
        domains: list[str | None] = []
        num_broken = 0
        for prediction in predictions:
            assert prediction.references  # it lacks nothing
            texts = (prediction.output, *prediction.references)
            num_broken += sum(map(ptb.breaks_lines, texts))
            candidates.append(prediction.output)
            references.append(prediction.references)
            domains.append((prediction.tags or {}).get("domain"))
        tokens = _tokenize(candidates, references, self.backend) if candidates else _Tokens([], [])
        measures, scores = _score_if_any(tokens, self.backend)
        by_domain = self._by_domain(tokens, domains)
        return Scored(
            measures=measures,
            scores=scores,
            normalised=tokens.candidates,
            normalised_references=tokens.references,
            notes=(
                *self._notes(candidates, tokens),
                *_broken(num_broken),
                *_undefined(tokens, by_domain),
            ),
            by={"domain": by_domain} if by_domain else {},
        )

    def _notes(self, candidates: Sequence[str], tokens: _Tokens) -> list[str]:
        if self.backend == "own":
            notes = [f"captions: our own tokenizer and scorers (tokens {ptb.VERSION})"]
        else:
            notes = [
                f"captions: tokenizer (Stanford CoreNLP 3.4.1) and scorers of pycocoevalcap "
                f"{pycoco.installed_version()}"
            ]
        num_empty = sum(not caption.strip() for caption in candidates)
        num_wordless = sum(not caption for caption in tokens.candidates) - num_empty
        if num_empty:
            notes.append(
                f"{num_empty:,} empty output{'s' * (num_empty != 1)}, scored by the same rules"
            )
        if num_wordless:
            notes.append(f"{num_wordless:,} output{'s' * (num_wordless != 1)} without any word")
        if len(candidates) == 1 and any(tokens.references[0]):
            notes.append("CIDEr of one image alone is 0: its n-grams weigh nothing")
        return notes

    def _by_domain(self, tokens: _Tokens, domains: Sequence[str | None]) -> dict[str, Mean]:
        """CIDEr of each domain, with the weights of its own references."""
        found = np.array(domains, dtype=object)
        names = sorted({domain for domain in domains if domain is not None})
        measures: dict[str, Mean] = {}
        for name in names:
            places = np.flatnonzero(found == name)
            part = _Tokens(
                [tokens.candidates[place] for place in places],
                [tokens.references[place] for place in places],
            )
            scores = np.full(len(domains), np.nan)
            scores[places] = _score_if_any(part, self.backend)[1]
            measures[name] = Mean(scores)
        return measures


def _broken(num_broken: int) -> list[str]:
    if not num_broken:
        return []
    held = "text holds" if num_broken == 1 else "texts hold"
    return [f"{num_broken:,} {held} characters that end a line; they were read as blanks"]


def _undefined(tokens: _Tokens, by_domain: Mapping[str, Mean]) -> list[str]:
    """Return which numbers are missing, and why."""
    if not tokens.candidates:
        return ["no caption was scored: there are no numbers"]
    if not any(chain.from_iterable(tokens.references)):
        return ["no reference of any image holds a word: there are no numbers"]
    return [
        f"domain {name}: no reference holds a word, it has no number"
        for name, mean in by_domain.items()
        if np.isnan(mean.scores).all()
    ]
