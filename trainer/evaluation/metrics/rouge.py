"""ROUGE-L: the longest common subsequence of a candidate and its references, as pycocoevalcap 1.2.

Lin, "ROUGE" (2004); `rouge/rouge.py` there: the best precision and the best recall over the references,
which may be of different ones, give an F-measure with beta 1.2. Its words are what is between single
blanks, so that an empty caption has one word, the empty one.
"""

from collections.abc import Sequence

import numpy as np

from trainer.evaluation.metrics.base import Floats

BETA = 1.2


def rouge_l(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Floats:
    """ROUGE-L of each image's tokenised captions [N], 0 to 1; every image has a reference."""
    return np.array([_score(*pair) for pair in zip(candidates, references, strict=True)], float)


def _score(candidate: str, references: Sequence[str]) -> float:
    words = candidate.split(" ")
    places: dict[str, int] = {}
    for place, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << place
    precision = recall = 0.0
    for reference in references:
        others = reference.split(" ")
        common = _longest_common(places, len(words), others)
        precision = max(precision, common / len(words))
        recall = max(recall, common / len(others))
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _longest_common(places: dict[str, int], length: int, words: Sequence[str]) -> int:
    """The length of the longest common subsequence, of which `places` are a word's bits in the other.

    A row of the table is one number, in which a bit is 0 where the length rises (Hyyrö,
    "Bit-parallel LCS-length computation revisited", 2004).
    """
    all_places = (1 << length) - 1
    row = all_places
    for word in words:
        matches = row & places.get(word, 0)
        row = (row + matches) | (row - matches)
    return length - (row & all_places).bit_count()
