"""From an image's bytes to its pixels, and the part of them that an augmentation cuts out.

JPEG is decoded by libjpeg-turbo (simplejpeg), everything else by Pillow. EXIF orientation is not applied,
since the original code does not either.
"""

import math
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL.Image import DecompressionBombError

from datagen.media.media import MAX_IMAGE_PIXELS, UndecodableError, decode_image
from trainer.data.order.permutation import fractions

Augmentation: TypeAlias = Literal["none", "paper_guess"]
Pixels: TypeAlias = NDArray[np.uint8]

CROP_SCALE = (0.5, 1.0)
CROP_RATIO = (3 / 4, 4 / 3)
CROP_TRIES = 10


class Crop(NamedTuple):
    """A part of an image, in pixels, and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    mirrored: bool = False


def decode(data: bytes | memoryview) -> Pixels:
    """The image as RGB [height, width, 3].

    Raises:
        UndecodableError: it is none, is damaged, or has more than `MAX_IMAGE_PIXELS`.
    """
    if bytes(data[:2]) == b"\xff\xd8":
        try:
            height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
            if height * width > MAX_IMAGE_PIXELS:
                raise UndecodableError(f"it has more than {MAX_IMAGE_PIXELS} pixels")
            if colours not in ("CMYK", "YCCK"):
                pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB")
                return pixels
        except UndecodableError:
            raise
        except ValueError:
            pass  # Pillow reads some that libjpeg-turbo warns of, and says what is wrong with the others
    try:
        return np.asarray(decode_image(bytes(data)))
    except DecompressionBombError:
        raise UndecodableError(f"it has more than {MAX_IMAGE_PIXELS} pixels") from None


def cut(pixels: Pixels, crop: Crop) -> Pixels:
    part = pixels[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    return part[:, ::-1] if crop.mirrored else part


def random_crop(height: int, width: int, chance: int) -> Crop:
    """The part that LAVIS's `blip2_image_train` cuts out; a function of `chance`.

    It is torchvision's RandomResizedCrop with scale .5 to 1 and ratio 3/4 to 4/3; every second part is
    mirrored.
    """
    flip, *numbers = fractions(chance, 1 + 4 * CROP_TRIES)
    mirrored = flip < 0.5
    low, high = (math.log(ratio) for ratio in CROP_RATIO)
    for scale, ratio, down, right in zip(*(iter(numbers),) * 4, strict=True):
        area = height * width * (CROP_SCALE[0] + scale * (CROP_SCALE[1] - CROP_SCALE[0]))
        aspect = math.exp(low + ratio * (high - low))
        wide, tall = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < tall <= height:
            top, left = int(down * (height - tall + 1)), int(right * (width - wide + 1))
            return Crop(top, left, tall, wide, mirrored)
    return _central(height, width, mirrored)


def _central(height: int, width: int, mirrored: bool) -> Crop:
    """The largest part in the middle whose ratio is allowed."""
    aspect = min(max(width / height, CROP_RATIO[0]), CROP_RATIO[1])
    wide = min(width, max(1, round(height * aspect)))
    tall = min(height, max(1, round(width / aspect)))
    return Crop((height - tall) // 2, (width - wide) // 2, tall, wide, mirrored)
