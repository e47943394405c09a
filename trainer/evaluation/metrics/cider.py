"""CIDEr-D: how much a candidate's n-grams are those of an image's references, rare ones counting more.

Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based Image Description Evaluation" (CVPR 2015), as
pycocoevalcap 1.2 (`cider/cider_scorer.py`, from tylin/coco-caption 3a9afb2) computes it:

- n-grams of 1 to 4 words; an n-gram weighs how often a caption has it times
  log N - log max(1, number of images one of whose references has it), N images in all;
- for each reference and n the cosine of both captions' weights, the candidate's clipped to the
  reference's, times exp(-d^2 / (2 sigma^2)), sigma 6, for captions whose lengths differ by d;
- ten times the mean over references and n.

A caption's length there is the number of its pairs of neighbours, one less than its words. The weights
come from the set that is scored: of one image alone all are 0, and so is its CIDEr.
"""

import numpy as np

from trainer.evaluation.metrics.base import Floats
from trainer.evaluation.metrics.ngrams import MAX_N, Corpus, Counts, Ints, counted

SIGMA = 6.0


def cider_d(corpus: Corpus) -> Floats:
    """CIDEr-D of each image [N], 0 to 10; every image has a reference."""
    num_references = len(corpus.image)
    similarity = np.zeros(num_references)
    for candidates, references in corpus.counts():
        similarity += _cosines(corpus, candidates, references)
    candidate_pairs = np.maximum(corpus.candidate_lengths - 1, 0)[corpus.image]
    apart = candidate_pairs - np.maximum(corpus.reference_lengths - 1, 0)
    similarity *= np.exp(-(apart**2) / (2 * SIGMA**2))
    of_image = np.bincount(corpus.image, similarity, corpus.num_images)
    return 10 * of_image / MAX_N / np.bincount(corpus.image, minlength=corpus.num_images)


def _cosines(corpus: Corpus, candidates: Counts, references: Counts) -> Floats:
    """Of each reference [R] and its image's candidate, the clipped cosine for n-grams of one length."""
    seen = counted(references.keys(corpus.image))[0] % max(references.num_grams, 1)
    num_images_with = np.bincount(seen, minlength=references.num_grams)
    idf = np.log(max(corpus.num_images, 1)) - np.log(np.maximum(num_images_with, 1))
    weights = candidates.times * idf[candidates.gram]
    reference_weights = references.times * idf[references.gram]
    place = find(candidates.keys(), references.keys(corpus.image))
    shared = np.flatnonzero(place >= 0)
    theirs = reference_weights[shared]
    overlap = np.minimum(weights[place[shared]], theirs) * theirs
    num_references = len(corpus.image)
    dots = np.bincount(references.caption[shared], overlap, num_references)
    norms = np.sqrt(np.bincount(candidates.caption, weights**2, corpus.num_images))
    norms = norms[corpus.image] * np.sqrt(
        np.bincount(references.caption, reference_weights**2, num_references)
    )
    return np.divide(dots, norms, out=np.zeros(num_references), where=norms > 0)


def find(keys: Ints, wanted: Ints) -> Ints:
    """Return the index of each of `wanted` in the ascending `keys`; -1 where it is missing."""
    if not len(keys):
        return np.full(len(wanted), -1)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)
