import numpy as np
import pytest
from PIL import Image

from trainer.data.reading.images import cut, random_crop
from trainer.data.reading.resize import prepare, resize


def _image(height: int, width: int) -> np.ndarray:
    """Noise with coarse shapes in it."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((width, height)), dtype=int)
    return (picture + rng.integers(-20, 21, picture.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(480, 640), (200, 100), (96, 96), (1, 1), (7, 900)])
def test_resizing_is_pillows_antialiased_bicubic_to_one_step(shape: tuple[int, int]) -> None:
    picture = _image(*shape)
    expected = Image.fromarray(picture).resize((224, 224), Image.Resampling.BICUBIC)
    found = resize(picture, 224).transpose(1, 2, 0)
    assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 1


def test_a_image_of_the_right_size_is_not_touched() -> None:
    picture = _image(32, 32)
    assert (resize(picture, 32) == picture.transpose(2, 0, 1)).all()


def test_read_only_pixels_are_taken() -> None:
    picture = _image(20, 20)
    picture.setflags(write=False)
    assert resize(picture, 8).shape == (3, 8, 8)


def test_frames_are_stacked_and_cut_alike() -> None:
    picture = _image(60, 80)
    frames = prepare([picture, picture], 16, "paper_guess", chance=9)
    assert frames.shape == (2, 3, 16, 16) and frames.dtype == np.uint8
    assert (frames[0] == frames[1]).all()
    assert (frames[0] == resize(cut(picture, random_crop(60, 80, 9)), 16)).all()
    assert (prepare([picture], 16)[0] == resize(picture, 16)).all()
