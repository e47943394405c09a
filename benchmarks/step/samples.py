"""Samples made up for steps of exact lengths: JPEGs of 640x480 are decoded and resized, texts drawn."""

import random
import string
from collections.abc import Sequence
from typing import Any

import numpy as np
import simplejpeg

from trainer.data.order.sample import Place, Sample
from trainer.data.reading.images import decode
from trainer.data.reading.resize import prepare

NUM_IMAGES = 16
LONG = 400
"""Letters of a text: more tokens than any length that is measured."""


class MadeUp:
    """A stream as the loader needs it: sample k is a function of k. Images are `side` x `side`."""

    def __init__(self, side: int) -> None:
        self.side = side
        self._jpegs = [_jpeg(number) for number in range(NUM_IMAGES)]

    def samples(self, ks: Sequence[int]) -> list[Sample]:
        return [self._sample(k) for k in ks]

    def texts(self, ks: Sequence[int]) -> list[Sample]:
        raise NotImplementedError("all texts are of one length: there is nothing to sort")

    def _sample(self, k: int) -> Sample:
        letters = random.Random(k)
        instruction, target = (_text(letters) for _ in range(2))
        image = decode(self._jpegs[k % NUM_IMAGES])
        return Sample(
            place=Place(k, "made_up", k, 0, k, 0, 0),
            record_id=f"made_up/train/{k}",
            group_id=str(k),
            template_id="made_up.1",
            instruction=instruction,
            target=target,
            images=prepare([image], self.side),
        )


def _text(letters: random.Random) -> str:
    return "".join(letters.choices(string.ascii_lowercase, k=LONG))


def _jpeg(seed: int) -> bytes:
    """Smooth colours under noise, as photographs compress: about 100 KB."""
    draw: Any = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (12, 16, 3)).repeat(40, axis=0).repeat(40, axis=1)
    noisy = (coarse + draw.normal(0, 12, coarse.shape)).clip(0, 255).astype(np.uint8)
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(noisy), quality=80)
    return encoded
