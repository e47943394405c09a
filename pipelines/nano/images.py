"""Drawn scenes as the nano model sees them, and what lies in each patch."""

from collections.abc import Sequence

import numpy as np
import simplejpeg
import torch
from torch import Tensor
from torch.nn import functional

from datagen.sample.draw import draw_scene, encode_jpeg
from datagen.sample.scenes import CELLS, COLORS, SHAPES, SIZES, WORDS, Scene
from pipelines.nano.architecture import IMAGE_SIDE

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of CLIP, as for every InstructBLIP."""

NUM_KINDS = (
    len(SHAPES) + 1,
    len(COLORS) + 1,
    len(SIZES) + 1,
    len(WORDS) + 1,
    len(CELLS),
)
"""Number of values of each label of a patch: shape, colour, size, word (0 is none of it), cell."""


def pixels_of(scene: Scene) -> Tensor:
    """uint8 [3, side, side]: drawn, written and read as JPEG, and resized like any image."""
    drawn = simplejpeg.decode_jpeg(encode_jpeg(draw_scene(scene)), colorspace="RGB")
    large = torch.from_numpy(np.ascontiguousarray(drawn)).permute(2, 0, 1)[None]
    side = (IMAGE_SIDE, IMAGE_SIDE)
    small: Tensor = functional.interpolate(large, side, mode="bicubic", antialias=True)
    return small[0]


def pixels(scenes: Sequence[Scene]) -> Tensor:
    """uint8 [scenes, 3, side, side]."""
    return torch.stack([pixels_of(scene) for scene in scenes])


def normalized(pixels: Tensor) -> Tensor:
    mean = torch.tensor(_MEAN)[:, None, None]
    deviation = torch.tensor(_DEVIATION)[:, None, None]
    return (pixels.float() / 255 - mean) / deviation


def labels(scenes: Sequence[Scene]) -> Tensor:
    """int64 [scenes, cells, labels]: what lies in each cell, in the order of `NUM_KINDS`."""
    found = torch.zeros(len(scenes), len(CELLS), len(NUM_KINDS), dtype=torch.long)
    found[..., -1] = torch.arange(len(CELLS))
    for number, scene in enumerate(scenes):
        for thing in scene.objects:
            found[number, thing.cell, :3] = torch.tensor(
                (
                    1 + SHAPES.index(thing.shape),
                    1 + COLORS.index(thing.color),
                    1 + SIZES.index(thing.size),
                )
            )
        for word in scene.words:
            found[number, word.cell, 3] = 1 + WORDS.index(word.text)
    return found
