"""Types of sample k of a run: its origin, its replacements, its texts and images."""

from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray


class Place(NamedTuple):
    """Origin of sample `k`; a function of the training seed, the dataset and `k` alone.

    `position` counts the samples of this source before it; `epoch` counts from 0 how often the
    whole source was read before; `row` counts over the source's trained splits in shard order; `chance` is
    a 64-bit number for augmentation. `attempt` counts replacements of unreadable images.
    """

    k: int
    source: str
    position: int
    epoch: int
    row: int
    draw: int
    chance: int
    attempt: int = 0


class Replacement(Struct, frozen=True, omit_defaults=True):
    """A sample that could not be made as drawn: another row or another draw took its place.

    The image of `record_id` could not be read, or none of its draws rendered: another row of its source
    is used. With `redrawn`, only its template could not be rendered: a later draw of the row is used.
    """

    k: int
    attempt: int
    record_id: str
    reason: str
    redrawn: bool = False


class Sample(Struct, frozen=True, kw_only=True):
    """One training sample: text, and images as uint8 [frames, 3, side, side].

    `images` is None where only texts were read. `image_hashes` are sha256 of the images'
    bytes, filled only where the feature cache needs them.
    """

    place: Place
    record_id: str
    group_id: str
    template_id: str
    instruction: str
    target: str
    images: NDArray[np.uint8] | None = None
    image_hashes: tuple[str, ...] | None = None
    replaced: tuple[Replacement, ...] = ()
