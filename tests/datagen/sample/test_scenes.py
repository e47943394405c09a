import subprocess
import sys
from collections import Counter

import pytest

from datagen.sample.scenes import COLORS, SHAPES, SIZES, Object, Scene, Word, make_scene


def test_a_scene_is_a_pure_function_of_seed_collection_and_index() -> None:
    assert make_scene(0, "coco", 7) == make_scene(0, "coco", 7)
    assert make_scene(0, "coco", 7) != make_scene(1, "coco", 7)
    assert make_scene(0, "coco", 7) != make_scene(0, "visdial", 7)


def test_another_process_with_another_hash_seed_makes_the_same_scene() -> None:
    code = "from datagen.sample.scenes import make_scene; print(make_scene(0, 'coco', 7))"
    for hash_seed in ("0", "1"):
        environment = {"PYTHONHASHSEED": hash_seed}
        printed = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert printed.stdout.strip() == repr(make_scene(0, "coco", 7))


def test_half_of_the_scenes_have_one_object_and_a_third_a_printed_word() -> None:
    scenes = [make_scene(0, "coco", index) for index in range(2000)]
    counts = Counter(len(scene.objects) for scene in scenes)
    assert set(counts) == {1, 2, 3}
    assert 0.46 < counts[1] / 2000 < 0.54
    assert 0.30 < sum(len(scene.words) for scene in scenes) / 2000 < 0.37


def test_all_attributes_and_cells_occur_about_equally_often() -> None:
    things = [thing for index in range(2000) for thing in make_scene(0, "coco", index).objects]
    for name, num in {"shape": len(SHAPES), "color": len(COLORS), "size": 2, "cell": 9}.items():
        counts = Counter(getattr(thing, name) for thing in things)
        assert len(counts) == num
        assert max(counts.values()) < 1.25 * min(counts.values())
    assert set(SIZES) == {thing.size for thing in things}


def test_numbers_of_objects_and_words_can_be_asked_for() -> None:
    scene = make_scene(0, "coco", 7, num_objects=4, num_words=5)
    assert (len(scene.objects), len(scene.words)) == (4, 5)
    assert len({word.text for word in scene.words}) == 5


def test_two_things_never_share_a_cell() -> None:
    with pytest.raises(AssertionError, match="two things in one cell"):
        Scene((Object("star", "red", "big", 4),), (Word("STOP", 4),))
