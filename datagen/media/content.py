"""Facts about an image's content that its owner should know: what it is instead, and what is lost in reading it.

`inspect_image` says whether an image can be used. Here are the warnings about images that can, and the
digest by which two files with one content are found.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image

from datagen.errors import RowRejectedError
from datagen.media.media import DECODING_ERRORS, FORMATS, MAX_IMAGE_PIXELS, MediaRoots

_DARK = 1 << 14
"""16-bit values below this, a quarter of their range, are nearly black in 8 bits."""
_DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")


def content_digest(roots: MediaRoots, path: str) -> str:
    """Return the sha256 of an image's bytes as they lie there, or of a video's.

    Raises:
        RowRejectedError: it cannot be opened.
    """
    digest = hashlib.sha256()
    with roots.open(path) as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


def warnings_of(roots: MediaRoots, path: str) -> list[tuple[str, str]]:
    """Return (reason, message) of each thing that a reader of the built data would not expect of an image.

    An image that cannot be read gives none: `inspect_image` says why.
    """
    try:
        with roots.open(path) as file, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                return []
            return [(reason, f"{path} {text}") for reason, text in _warnings(image)]
    except (RowRejectedError, Image.DecompressionBombError, *DECODING_ERRORS):
        return []


def _warnings(image: Image.Image) -> Iterator[tuple[str, str]]:
    orientation = image.getexif().get(ExifTags.Base.Orientation)
    if orientation in range(2, 9):
        yield (
            "exif_orientation",
            f"is turned or mirrored by its EXIF tag (orientation {orientation}), which is not applied: the "
            "model sees it as it is stored. `mogrify -auto-orient` turns the pixels themselves",
        )
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        pages = "pages" if image.format == "TIFF" else "frames"
        yield "animated", f"has {frames} {pages}, of which the first is used"
    if min(image.size) == 1:
        yield "tiny_image", f"is {image.width} x {image.height} pixels large"
    if image.mode in ("CMYK", "YCCK"):
        yield "cmyk", "is in CMYK; its colours are converted without its colour profile"
    if image.mode in _DEEP_MODES:
        brightest = int(np.asarray(image).max())
        dark = ", nearly black in 8 bits: scale it first" if brightest < _DARK else ""
        yield (
            "sixteen_bit",
            f"has more than 8 bits a pixel, which are divided by 257; its brightest is {brightest}{dark}",
        )
    elif _is_transparent(image):
        yield (
            "transparent",
            "has transparent pixels; the model sees the colour that is stored in them, often black. "
            "`mogrify -background white -flatten` puts white behind them",
        )


def _is_transparent(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return lowest < 255  # type: ignore[operator]
