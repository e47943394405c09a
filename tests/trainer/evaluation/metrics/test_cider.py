"""CIDEr-D against a direct reading of its definition, and the official numbers."""

import math
from collections import Counter
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from trainer.evaluation.metrics.cider import cider_d
from trainer.evaluation.metrics.ngrams import corpus


def grams(caption, n):
    words = caption.split()
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def by_definition(candidates, references):
    """Dictionaries and loops, as in the module's docstring."""
    seen = Counter()
    for captions in references:
        seen.update({gram for c in captions for n in range(1, 5) for gram in grams(c, n)})
    images = math.log(len(references))

    def weights(caption, n):
        return {g: t * (images - math.log(max(1, seen[g]))) for g, t in grams(caption, n).items()}

    scores = []
    for candidate, captions in zip(candidates, references, strict=True):
        total = 0.0
        for caption in captions:
            apart = max(len(candidate.split()) - 1, 0) - max(len(caption.split()) - 1, 0)
            for n in range(1, 5):
                one, other = weights(candidate, n), weights(caption, n)
                dot = sum(min(w, other.get(g, 0.0)) * other.get(g, 0.0) for g, w in one.items())
                norm = math.hypot(*one.values()) * math.hypot(*other.values())
                total += (dot / norm if norm else 0.0) * math.exp(-(apart**2) / 72)
        scores.append(10 * total / 4 / len(captions))
    return scores


def test_scores_are_those_of_the_definition():
    chance = np.random.default_rng(0)
    words = [f"w{number}" for number in range(12)]

    def caption():
        return " ".join(chance.choice(words, chance.integers(0, 12)))

    for _ in range(30):
        num_images = int(chance.integers(1, 8))
        candidates = [caption() for _ in range(num_images)]
        references = [[caption() for _ in range(chance.integers(1, 6))] for _ in range(num_images)]
        found = cider_d(corpus(candidates, references))
        np.testing.assert_allclose(found, by_definition(candidates, references), atol=1e-12)


def test_a_image_alone_scores_nothing_since_its_words_are_in_every_image():
    assert cider_d(corpus(["a dog runs"], [["a dog runs"]])).tolist() == [0.0]


def test_the_caption_itself_scores_ten_if_no_other_image_has_its_words():
    candidates = ["one two three four", "five six seven eight"]
    found = cider_d(corpus(candidates, [[candidate] for candidate in candidates]))
    assert found == pytest.approx([10, 10])


def test_saying_a_word_over_and_over_earns_no_more_than_the_references_have_it():
    references = [["a red dog runs fast here"], ["the blue bus"]]
    once = cider_d(corpus(["a red dog", "the blue bus"], references))[0]
    often = cider_d(corpus(["dog dog dog dog dog", "the blue bus"], references))[0]
    assert often < once


def test_empty_captions_score_nothing():
    assert cider_d(corpus(["", "a dog"], [["a cat"], ["a dog", ""]]))[0] == 0
    assert cider_d(corpus(["", ""], [[""], [""]])).tolist() == [0, 0]


def test_a_blank_that_does_not_break_parts_words_as_in_the_official_scorer():
    parted = corpus(["1\u00a01/2 cups"], [["1 1/2 cups"]])
    assert parted.candidate_lengths.tolist() == [3]
    assert parted.num_words == 3


def test_a_word_that_every_image_has_is_worth_nothing_even_if_there_is_no_other():
    assert cider_d(corpus(["dog"] * 3, [["dog"]] * 3)).tolist() == [0, 0, 0]


def test_a_corpus_and_its_counts_stay():
    captions = corpus(["a dog"], [["a cat"]])
    [(candidates, _), *_] = captions.counts()
    for changed, name in ((captions, "num_words"), (candidates, "num_grams")):
        with pytest.raises(FrozenInstanceError):
            setattr(changed, name, 0)
