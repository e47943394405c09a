"""BLEU-1 to BLEU-4 of a set, as pycocoevalcap 1.2 computes them (`bleu/bleu_scorer.py`, option closest).

Papineni et al., "BLEU" (ACL 2002). The numbers of a set come from sums over its images: of the
candidates' n-grams, of those that a reference has (each at most as often as the one that has it most
often), and of the lengths of the references closest to the candidates in length, the shorter of two as
close. Their 1e-15 and 1e-9 keep sums of 0 from dividing by 0, and are part of the numbers.
"""

import math
from dataclasses import dataclass

import numpy as np

from trainer.evaluation.metrics.base import Floats
from trainer.evaluation.metrics.cider import find
from trainer.evaluation.metrics.ngrams import MAX_N, Corpus, Counts, Ints

TINY, SMALL = 1e-15, 1e-9


@dataclass(frozen=True)
class BleuCounts:
    """The sums of BLEU, of each image: n-grams correct and guessed [N, 4], lengths in words [N]."""

    correct: Floats
    guessed: Floats
    candidate_lengths: Floats
    closest_lengths: Floats


@dataclass(frozen=True)
class Bleu:
    """BLEU of n-grams of up to `n` words."""

    counts: BleuCounts
    n: int

    def value(self, weights: Floats | None = None) -> float:
        """The number from sums in which image i counts `weights[i]` times; NaN where none counts."""
        counts = self.counts
        each = np.ones(len(counts.correct)) if weights is None else weights
        if not each.any():
            return float("nan")
        correct, guessed = each @ counts.correct, each @ counts.guessed
        product = 1.0
        for n in range(self.n):
            product *= (float(correct[n]) + TINY) / (float(guessed[n]) + SMALL)
        ratio = (float(each @ counts.candidate_lengths) + TINY) / (
            float(each @ counts.closest_lengths) + SMALL
        )
        penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
        return float(product ** (1 / self.n) * penalty)


def bleu_counts(corpus: Corpus) -> BleuCounts:
    num_images = corpus.num_images
    correct = np.zeros((num_images, MAX_N))
    for n, (candidates, references) in enumerate(corpus.counts()):
        correct[:, n] = _correct(corpus, candidates, references)
    lengths = corpus.candidate_lengths
    return BleuCounts(
        correct=correct,
        guessed=np.maximum(lengths[:, None] - np.arange(MAX_N), 0).astype(np.float64),
        candidate_lengths=lengths.astype(np.float64),
        closest_lengths=_closest(corpus).astype(np.float64),
    )


def _correct(corpus: Corpus, candidates: Counts, references: Counts) -> Floats:
    """Of each image [N], the candidate's n-grams that references have, at most as often."""
    place = find(candidates.keys(), references.keys(corpus.image))
    shared = np.flatnonzero(place >= 0)
    most = np.zeros(len(candidates.times), np.int64)
    np.maximum.at(most, place[shared], references.times[shared])
    clipped = np.minimum(candidates.times, most)
    return np.asarray(np.bincount(candidates.caption, clipped, corpus.num_images), np.float64)


def _closest(corpus: Corpus) -> Ints:
    """The length of each image's reference that is closest in length, the shorter of two as close."""
    apart = np.abs(corpus.reference_lengths - corpus.candidate_lengths[corpus.image])
    order = np.lexsort((corpus.reference_lengths, apart, corpus.image))
    first = np.searchsorted(corpus.image[order], np.arange(corpus.num_images))
    return corpus.reference_lengths[order[first]]
