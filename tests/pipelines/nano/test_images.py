"""Images as the nano model sees them, and the labels of their patches."""

import torch

from datagen.sample.draw import draw_scene, encode_jpeg
from datagen.sample.scenes import Object, Scene, Word
from pipelines.nano.images import NUM_KINDS, labels, normalized, pixels
from trainer.data.reading.images import decode
from trainer.data.reading.resize import prepare
from trainer.model.model import CLIP_MEAN, CLIP_STD

SCENE = Scene(objects=(Object("star", "white", "big", 2),), words=(Word("TEA", 7),))


def test_pixels_are_those_that_the_stream_makes_of_the_samples_file():
    streamed = prepare([decode(encode_jpeg(draw_scene(SCENE)))], 48)
    assert torch.equal(pixels([SCENE]), torch.from_numpy(streamed))


def test_pixels_are_normalized_as_the_model_does():
    some = pixels([SCENE])
    mean = torch.tensor(CLIP_MEAN)[:, None, None]
    std = torch.tensor(CLIP_STD)[:, None, None]
    torch.testing.assert_close(normalized(some), (some / 255 - mean) / std)


def test_labels_tell_what_lies_in_each_cell_and_which_cell_it_is():
    found = labels([SCENE])[0]
    assert found.shape == (9, len(NUM_KINDS))
    assert found[2].tolist() == [4, 6, 2, 0, 2]
    assert found[7].tolist() == [0, 0, 0, 15, 7]
    assert found[0].tolist() == [0, 0, 0, 0, 0]
