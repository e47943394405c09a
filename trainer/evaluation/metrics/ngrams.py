"""The n-grams of all captions of a set, counted together: what CIDEr and BLEU are made of."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.integer[Any]]

MAX_N = 4


@dataclass(frozen=True)
class Counts:
    """Counts of n-grams in captions: `times[i]` of `gram[i]` in caption `caption[i]`.

    Sorted by caption, then n-gram; n-grams are numbers below `num_grams`, the same on both sides.
    """

    caption: Ints
    gram: Ints
    times: Ints
    num_grams: int

    def keys(self, of_caption: Ints | None = None) -> Ints:
        """A number for each pair of n-gram and caption, or what `of_caption` says a caption is of."""
        caption = self.caption if of_caption is None else of_caption[self.caption]
        return caption * np.int64(self.num_grams) + self.gram


@dataclass(frozen=True)
class Corpus:
    """Words of N images' candidates and, image after image, of their R references.

    words                numbers below `num_words` of all captions' words, candidates first
    candidate_lengths    [N] in words
    reference_lengths    [R]
    image              [R] of which image a reference is
    """

    words: Ints
    num_words: int
    candidate_lengths: Ints
    reference_lengths: Ints
    image: Ints

    @property
    def num_images(self) -> int:
        return len(self.candidate_lengths)

    def counts(self) -> Iterator[tuple[Counts, Counts]]:
        """For n from 1 to 4, the n-grams of candidates and of references (captions counted from 0 in each)."""
        lengths = np.concatenate((self.candidate_lengths, self.reference_lengths))
        caption = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        gram, num_grams = self.words, self.num_words
        for n in range(1, MAX_N + 1):
            if n > 1:
                gram, num_grams = self._longer(gram, caption, n)
            whole = caption[: len(gram)] == caption[n - 1 :]
            keys = caption[: len(gram)][whole] * np.int64(num_grams) + gram[whole]
            del whole
            keys, times = counted(keys)
            first = int(np.searchsorted(keys, self.num_images * num_grams))
            owner = (keys // max(num_grams, 1)).astype(np.int32)
            kind = (keys % max(num_grams, 1)).astype(np.int32)
            del keys
            yield (
                Counts(owner[:first], kind[:first], times[:first], num_grams),
                Counts(owner[first:] - self.num_images, kind[first:], times[first:], num_grams),
            )

    def _longer(self, gram: Ints, caption: Ints, n: int) -> tuple[Ints, int]:
        """Numbers of n-grams by the word that they begin at, and how many there are, from those of n - 1.

        An n-gram is the one before it, shorter by a word, and the word that follows. Those that reach
        into the next caption have no meaning, and are not counted.
        """
        pairs = gram[:-1] * np.int64(self.num_words) + self.words[n - 1 :]
        found, numbers = np.unique(pairs, return_inverse=True)
        return numbers.astype(np.int32), len(found)


def counted(keys: Ints) -> tuple[Ints, Ints]:
    """The different keys, ascending, and how often each is there; sorts `keys` in place."""
    keys.sort()
    starts = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    times = np.diff(starts, append=len(keys)).astype(np.int32)
    return keys[starts], times


def corpus(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Corpus:
    """The corpus of tokenised captions; words are what is between blanks of any kind.

    pycocoevalcap's CIDEr and BLEU take `str.split()`: a token such as 1½, in which the tokenizer puts
    a blank that does not break, is two words to them.
    """
    numbers: dict[str, int] = {}
    words = array("i")
    lengths = array("q")
    for caption in chain(candidates, chain.from_iterable(references)):
        found = caption.split()
        lengths.append(len(found))
        words.extend([numbers.setdefault(word, len(numbers)) for word in found])
    num_references = np.fromiter(map(len, references), np.int64, len(references))
    return Corpus(
        words=np.asarray(words, np.int32),
        num_words=len(numbers),
        candidate_lengths=np.array(lengths[: len(candidates)], np.int64),
        reference_lengths=np.array(lengths[len(candidates) :], np.int64),
        image=np.repeat(np.arange(len(references), dtype=np.int32), num_references),
    )
