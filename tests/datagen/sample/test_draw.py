from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from datagen.sample.clips import CHANGES, make_clip
from datagen.sample.draw import draw_scene, encode_jpeg, encode_png, word_box, write_clip
from datagen.sample.scenes import WORDS, Object, Scene, Word, make_scene

See = Callable[..., list]


def test_the_pixels_show_every_object_with_its_shape_colour_size_and_place(see: See) -> None:
    for index in range(300):
        scene = make_scene(0, "draw", index)
        found = [(s.shape, s.color, s.size, s.cell) for s in see(draw_scene(scene))]
        assert found == [(o.shape, o.color, o.size, o.cell) for o in scene.objects]


@pytest.mark.parametrize("shape", ["circle", "square", "triangle", "star"])
def test_scaled_to_48_pixels_an_object_stays_within_its_patch_of_16(shape: str) -> None:
    for offset in ((-3, -3), (3, 3), (3, -3), (-3, 3)):
        thing = Object(shape, "white", "big", 4, offset=offset, radius=17, tint=10)
        small = draw_scene(Scene((thing,))).resize((48, 48), Image.Resampling.BOX)
        different = np.abs(np.asarray(small).astype(int) - 40).max(axis=2) > 0
        assert different.any()
        different[16:32, 16:32] = False
        assert not different.any()


def test_a_scene_can_be_drawn_at_any_side(see: See) -> None:
    scene = make_scene(0, "draw", 1)
    large = draw_scene(scene, 288)
    assert large.size == (288, 288)
    again = large.resize((144, 144), Image.Resampling.BOX)
    assert [s.shape for s in see(again)] == [o.shape for o in scene.objects]


def test_every_word_fits_its_cell_and_its_box() -> None:
    empty = np.asarray(draw_scene(Scene(())))
    for text in WORDS:
        word = Word(text, 0)
        different = (np.asarray(draw_scene(Scene((), (word,)))) != empty).any(axis=2)
        rows, columns = np.flatnonzero(different.any(1)), np.flatnonzero(different.any(0))
        left, top, right, bottom = word_box(word)
        assert 0 < left <= columns[0] + 1
        assert columns[-1] - 1 <= right < 48
        assert 0 < top <= rows[0] + 1
        assert rows[-1] - 1 <= bottom < 48


def test_images_are_encoded_to_the_same_bytes_and_decode(see: See) -> None:
    scene = make_scene(0, "draw", 1)
    image = draw_scene(scene)
    assert encode_jpeg(image) == encode_jpeg(draw_scene(scene))
    assert encode_png(image) == encode_png(draw_scene(scene))
    assert np.array_equal(Image.open(BytesIO(encode_png(image))), image)
    assert see(Image.open(BytesIO(encode_jpeg(image)))) == see(image)


def test_a_clip_is_written_to_the_same_bytes_and_plays_for_two_seconds(tmp_path: Path) -> None:
    clip = make_clip(0, "msvd", 1)
    for name in ("one.avi", "other.avi"):
        write_clip(tmp_path / name, clip)
    assert (tmp_path / "one.avi").read_bytes() == (tmp_path / "other.avi").read_bytes()
    with av.open(str(tmp_path / "one.avi")) as container:
        assert container.duration == 2_000_000  # microseconds
        assert sum(1 for _ in container.decode(video=0)) == 32


def test_the_pixels_of_a_clip_show_what_changes_and_nothing_else(see: See, tmp_path: Path) -> None:
    seen_changes = set()
    for index in range(12):
        clip = make_clip(0, "clip", index)
        write_clip(tmp_path / f"{index}.avi", clip)
        with av.open(str(tmp_path / f"{index}.avi")) as container:
            frames = [frame.to_image() for frame in container.decode(video=0)]
        for frame, scene in ((frames[3], clip.before), (frames[28], clip.after)):
            expected = {(o.shape, o.color, o.size, o.cell) for o in scene.objects}
            assert {(s.shape, s.color, s.size, s.cell) for s in see(frame, 60)} == expected
        assert replace(clip.before, objects=()) == replace(clip.after, objects=())
        assert clip.before.objects[1:] == clip.after.objects[1:]
        seen_changes.add(clip.change)
    assert seen_changes == set(CHANGES)


def test_a_moving_object_is_on_its_way_in_the_middle_of_the_clip(see: See, tmp_path: Path) -> None:
    clips = [make_clip(0, "clip", index) for index in range(30)]
    clip = next(c for c in clips if c.change == "move" and c.direction == "right")
    write_clip(tmp_path / "clip.avi", clip)
    with av.open(str(tmp_path / "clip.avi")) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    shape = clip.before.objects[0].shape
    xs = [next(s.x for s in see(frame, 60) if s.shape == shape) for frame in frames]
    assert xs == sorted(xs)
    assert xs[0] < xs[15] < xs[-1]
