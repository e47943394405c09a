"""The guesser of the miniature ablations knows what is there, and nothing of what belongs together."""

import pytest

from benchmarks.ablations.guess import expected, kind, scenes_of
from datagen.sample.knowledge import ask_with_knowledge
from datagen.sample.questions import ask
from datagen.sample.scenes import Object, Scene, Word, make_scene, random_for
from datagen.sample.world import World

ONE = Scene(objects=(Object("star", "red", "big", 0),))
TWO = Scene(
    objects=(Object("star", "red", "big", 0), Object("circle", "blue", "big", 8)),
    words=(Word("STOP", 4),),
)


@pytest.mark.parametrize(
    ("question", "answer", "chance"),
    [
        ("What color is the star?", "red", 1 / 2),
        ("What shape is the blue object?", "circle", 1 / 2),
        ("What size is the star?", "big", 1),
        ("Where is the circle?", "bottom right", 1 / 2),
        ("How many shapes are there?", "2", 1),
        ("How many stars do you see?", "one", 1),
        ("How many squares are there?", "0", 1),
        ("Is there a red circle?", "no", 0),
        ("Is there a green circle?", "no", 1),
        ("Is the star blue?", "no", 0),
        ("Is the star red?", "yes", 1),
        ("Is the red star above the blue circle?", "yes", 1 / 2),
        ("What is below the red star?", "blue circle", 1 / 4),
        ("Which food has the color of the star?", "tomato", 1 / 2),
        ("What is shaped like the red object?", "starfish", 1 / 2),
        ("How many corners does the blue object have?", "0", 1),
        ("What does the text say?", "stop", 1),
    ],
)
def test_the_chance_is_that_of_taking_anything_that_is_there(question, answer, chance):
    assert expected(question, (answer,), TWO) == pytest.approx(chance)


def test_of_one_object_everything_is_known():
    for question in ask(ONE, random_for("one")):
        if question.kind not in ("relation", "neighbor"):
            assert expected(question.text, (question.answer,), ONE) == 1, question


def test_every_question_of_the_sample_has_the_kind_that_it_was_made_as():
    for index in range(200):
        scene, random = make_scene(0, "kinds", index), random_for("kinds", index)
        for question in ask(scene, random):
            assert kind(question.text) == question.kind, question
        for question in ask_with_knowledge(scene, random):
            assert kind(question.text) in ("food", "thing", "corners"), question


def test_the_scenes_of_coco_and_gqa_are_found_by_file_name():
    world = World(seed=0, num_scenes=12)
    scenes = scenes_of(world)
    for image in (*world.coco(), *world.coco(release=2017)):
        assert scenes[image.file_name] == image.scene
    assert scenes[f"{world.own_image_id(3)}.jpg"] == world.scene("gqa", 3)
