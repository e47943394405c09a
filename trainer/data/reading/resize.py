"""Images as the model takes them: uint8 [frames, 3, side, side].

The whole image, or the part that an augmentation cuts out, becomes a square: bicubic with antialiasing
on uint8 in torch, at most one step of 255 from Pillow's result in a sixth of its time. An evaluation may
take the central square instead (`center_crop`), with Pillow.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from templates.evaluation import ImagePreparation
from trainer.data.reading.images import Augmentation, Pixels, cut, random_crop


def prepare(
    images: Sequence[Pixels],
    side: int,
    augmentation: Augmentation = "none",
    chance: int = 0,
    *,
    how: ImagePreparation = "square",
) -> Pixels:
    """Images [height, width, 3], the frames of one sample, as [frames, 3, side, side].

    `chance` decides about the part that `paper_guess` cuts out: the same for all frames.
    """
    out = np.empty((len(images), 3, side, side), dtype=np.uint8)
    for number, pixels in enumerate(images):
        if how == "center_crop":
            out[number] = center_crop(pixels, side)
            continue
        if augmentation == "paper_guess":
            pixels = cut(pixels, random_crop(pixels.shape[0], pixels.shape[1], chance))
        out[number] = resize(pixels, side)
    return out


def resize(pixels: Pixels, side: int) -> Pixels:
    """[height, width, 3] as [3, side, side]."""
    if not pixels.flags.writeable or any(stride < 0 for stride in pixels.strides):
        pixels = pixels.copy()  # torch shares its memory
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    if pixels.shape[:2] != (side, side):
        image = interpolate(image, (side, side), mode="bicubic", antialias=True)
    resized: Pixels = image[0].numpy()
    return resized


def center_crop(pixels: Pixels, side: int) -> Pixels:
    """[height, width, 3] as [3, side, side]: the shorter side becomes `side`, the central square is cut out.

    It is `Resize(side, BICUBIC)` and `CenterCrop(side)` of torchvision on Pillow images, in one step: only
    the square is computed, so that a very long image needs no more memory than another.
    """
    height, width = pixels.shape[:2]
    shorter = min(height, width)
    spans = []
    for length in (width, height):
        resized = side * length // shorter
        first = round((resized - side) / 2)
        scale = length / resized
        spans.append((first * scale, min((first + side) * scale, length)))
    (left, right), (top, bottom) = spans
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if (height, width) == (side, side):
        return np.asarray(image).transpose(2, 0, 1)
    box = (left, top, right, bottom)
    resized_part = image.resize((side, side), Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized_part).transpose(2, 0, 1)
