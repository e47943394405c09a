"""Texts of the nano language model are those that a build renders from the sample."""

from random import Random

from datagen.sample.scenes import Object, Scene, Word, make_scene
from pipelines.nano.texts import full_caption, texts, things
from templates.library import load_templates

SCENE = Scene(
    objects=(Object("star", "red", "big", 0), Object("circle", "blue", "small", 8)),
    words=(Word("STOP", 4),),
)


def test_things_are_told_row_by_row_objects_and_words_alike():
    assert things(SCENE) == [
        "big red star top left",
        "word STOP center",
        "small blue circle bottom right",
    ]


def test_the_full_caption_leaves_nothing_out():
    assert full_caption(SCENE) == (
        "a big red star in the top left, the word STOP in the center and a small blue circle in the "
        "bottom right"
    )


def test_the_same_random_numbers_give_the_same_texts():
    templates = load_templates("instruct")
    assert texts(SCENE, Random(1), templates, 30) == texts(SCENE, Random(1), templates, 30)
    assert texts(SCENE, Random(1), templates, 30) != texts(SCENE, Random(2), templates, 30)


def test_every_kind_of_text_is_about_its_own_scene():
    templates = load_templates("instruct")
    found = [
        text
        for index in range(60)
        for text in texts(make_scene(0, "x", index), Random(index), templates, 12)
    ]
    assert {text.source for text in found} == {
        "coco_caption",
        "textcaps",
        "vqav2",
        "ocr_vqa",
        "okvqa",
        "iconqa",
        "vqav2_qg",
        "vsr",
        "llava_conversation",
    }
    assert all(text.instruction and text.target for text in found)
    one = Scene(objects=(Object("star", "red", "big", 0),))
    answers = {
        text.target
        for text in texts(one, Random(0), templates, 400)
        if text.source == "vqav2" and "color" in text.instruction and "Is" not in text.instruction
    }
    assert answers == {"red"}
