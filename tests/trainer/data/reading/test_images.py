import io

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datagen.media.media import MAX_IMAGE_PIXELS, UndecodableError
from trainer.data.reading.images import CROP_RATIO, cut, decode, random_crop


def _noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _encoded(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP", "TIFF"])
def test_lossless_images_come_back_exactly(kind: str) -> None:
    pixels = _noise(20, 30)
    data = _encoded(pixels, kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert (decode(data) == pixels).all()


def test_jpeg_pixels_are_those_of_pillow() -> None:
    data = simplejpeg.encode_jpeg(_noise(64, 48), quality=90)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.abs(decode(memoryview(data)).astype(int) - expected).max() <= 1


def test_grey_and_cmyk_jpeg_become_rgb() -> None:
    for mode in ("L", "CMYK"):
        out = io.BytesIO()
        Image.fromarray(_noise(16, 16)).convert(mode).save(out, "JPEG")
        assert decode(out.getvalue()).shape == (16, 16, 3)


def test_exif_orientation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = _encoded(_noise(16, 32), "JPEG", exif=exif.tobytes())
    assert decode(data).shape == (16, 32, 3)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8", b"no image", simplejpeg.encode_jpeg(_noise(64, 64))[:700]],
    ids=["empty", "start only", "text", "cut off"],
)
def test_what_is_no_whole_image_is_refused(data: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode(data)


def test_a_image_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    head = bytearray(simplejpeg.encode_jpeg(_noise(8, 8)))
    place = head.index(b"\xff\xc0") + 5
    head[place : place + 4] = b"\xff\xff\xff\xff"  # height and width
    with pytest.raises(UndecodableError, match=f"more than {MAX_IMAGE_PIXELS} pixels"):
        decode(bytes(head))


sides = st.integers(1, 900)


@given(sides, sides, st.integers(0, 2**64 - 1))
def test_a_random_part_lies_inside_the_image(height: int, width: int, chance: int) -> None:
    crop = random_crop(height, width, chance)
    assert crop.top >= 0 and crop.top + crop.height <= height and crop.height > 0
    assert crop.left >= 0 and crop.left + crop.width <= width and crop.width > 0


def test_random_parts_have_the_sizes_and_ratios_of_lavis() -> None:
    crops = [random_crop(480, 640, chance) for chance in range(2_000)]
    areas = [crop.height * crop.width / (480 * 640) for crop in crops]
    ratios = [crop.width / crop.height for crop in crops]
    assert min(areas) > 0.49 and max(areas) <= 1
    assert CROP_RATIO[0] - 0.01 < min(ratios) and max(ratios) < CROP_RATIO[1] + 0.01
    assert 0.47 < sum(crop.mirrored for crop in crops) / 2_000 < 0.53
    assert len({(crop.top, crop.left) for crop in crops}) > 1_000


def test_the_same_chance_cuts_out_the_same_part() -> None:
    assert random_crop(300, 400, 5) == random_crop(300, 400, 5) != random_crop(300, 400, 6)


def test_a_very_wide_image_is_cut_in_the_middle() -> None:
    crop = random_crop(10, 1_000, 3)
    assert (crop.height, crop.width, crop.left) == (10, 13, (1_000 - 13) // 2)


def test_a_mirrored_part_is_mirrored() -> None:
    pixels = _noise(6, 8)
    crop = random_crop(6, 8, 0)._replace(top=1, left=2, height=4, width=5, mirrored=True)
    assert (cut(pixels, crop) == pixels[1:5, 6:1:-1]).all()


def _damaged(data: bytes, seed: int) -> bytes:
    """Some bytes changed, some cut out, and perhaps the end."""
    rng = np.random.default_rng(seed)
    changed = bytearray(data)
    for place in rng.integers(0, len(data), rng.integers(1, 30)):
        changed[place] = rng.integers(0, 256)
    first, second = sorted(rng.integers(0, len(data), 2))
    return bytes(changed[:first] + changed[second:]) if seed % 3 == 0 else bytes(changed)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_damage_of_any_kind_is_either_survived_or_refused(kind: str) -> None:
    data = _encoded(_noise(40, 50), kind)
    refused = 0
    for seed in range(150):
        try:
            pixels = decode(_damaged(data, seed))
        except UndecodableError:
            refused += 1
        else:
            assert pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8
    assert refused > 10
