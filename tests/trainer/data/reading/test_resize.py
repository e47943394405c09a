import numpy as np
import pytest
from PIL import Image

from trainer.data.reading.images import cut, random_crop
from trainer.data.reading.resize import prepare, resize


def _image(height: int, width: int) -> np.ndarray:
    """Noise with coarse shapes in it."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = np.asarray(Image.fromarray(coarse).resize((width, height)), dtype=int)
    return (image + rng.integers(-20, 21, image.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(480, 640), (200, 100), (96, 96), (1, 1), (7, 900)])
def test_resizing_is_pillows_antialiased_bicubic_to_one_step(shape: tuple[int, int]) -> None:
    image = _image(*shape)
    expected = Image.fromarray(image).resize((224, 224), Image.Resampling.BICUBIC)
    found = resize(image, 224).transpose(1, 2, 0)
    assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 1


def torchvision_center_crop(image: np.ndarray, side: int) -> np.ndarray:
    """`Resize(side)` and `CenterCrop(side)` of torchvision 0.15 on a Pillow image, as LAVIS composes them."""
    height, width = image.shape[:2]
    shorter, longer = sorted((height, width))
    long_side = int(side * longer / shorter)
    size = (side, long_side) if width <= height else (long_side, side)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    left, top = (round((length - side) / 2.0) for length in resized.size)
    return np.asarray(resized.crop((left, top, left + side, top + side)))


@pytest.mark.parametrize(
    "shape", [(480, 640), (640, 481), (427, 640), (96, 96), (32, 32), (33, 40), (7, 90), (1, 1)]
)
def test_the_centre_is_the_square_that_torchvision_cuts_out(shape: tuple[int, int]) -> None:
    image = _image(*shape)
    expected = torchvision_center_crop(image, 32)
    found = prepare([image], 32, how="center_crop")[0].transpose(1, 2, 0)
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1


def test_the_centre_of_a_very_long_image_needs_no_memory_for_the_rest() -> None:
    image = np.tile(np.arange(200_000, dtype=np.int64)[None, :, None] % 251, (1, 1, 3))
    assert prepare([image.astype(np.uint8)], 224, how="center_crop").shape == (1, 3, 224, 224)


def test_what_is_beside_the_centre_does_not_count() -> None:
    image = _image(40, 120)
    other = image.copy()
    other[:, :30] = 0
    assert (prepare([image], 16) != prepare([other], 16)).any()
    of_both = (prepare([each], 16, how="center_crop") for each in (image, other))
    assert (next(of_both) == next(of_both)).all()


def test_a_image_of_the_right_size_is_not_touched() -> None:
    image = _image(32, 32)
    assert (resize(image, 32) == image.transpose(2, 0, 1)).all()


def test_read_only_pixels_are_taken() -> None:
    image = _image(20, 20)
    image.setflags(write=False)
    assert resize(image, 8).shape == (3, 8, 8)


def test_frames_are_stacked_and_cut_alike() -> None:
    image = _image(60, 80)
    frames = prepare([image, image], 16, "paper_guess", chance=9)
    assert frames.shape == (2, 3, 16, 16) and frames.dtype == np.uint8
    assert (frames[0] == frames[1]).all()
    assert (frames[0] == resize(cut(image, random_crop(60, 80, 9)), 16)).all()
    assert (prepare([image], 16)[0] == resize(image, 16)).all()
