"""TextVQA 0.5.1: questions on pictures with printed words, ten answers each, Rosetta's words.

The first question on a picture asks for a word, the second one for something else. The file of test
has no answers, and the OCR finds no word in some pictures.
"""

from pathlib import Path
from typing import Any, NamedTuple

from datagen.sample.draw import SIDE
from datagen.sample.ocr import rosetta_row
from datagen.sample.questions import Question, ask
from datagen.sample.scenes import Scene, Word
from datagen.sample.world import SPLITS, World, write_json, write_picture
from datagen.sample.writers.vqav2 import NUM_ANSWERS, annotators_answers

FOLDERS = {"train": "train_images", "val": "train_images", "test": "test_images"}
_SCENES_PER_PICTURE = 2
_UNREAD_SHARE = 1 / 8
_QUESTIONS_PER_PICTURE = 2


class _Photo(NamedTuple):
    number: int
    split: str
    image_id: str
    scene: Scene
    words_read: tuple[Word, ...]


def write(raw: Path, world: World) -> None:
    photos = [_photo(world, index) for index in range(world.num_scenes // _SCENES_PER_PICTURE)]
    for photo in photos:
        folder = raw / "images" / "textvqa" / FOLDERS[photo.split]
        write_picture(folder / f"{photo.image_id}.jpg", photo.scene)
    for split in SPLITS:
        mine = [photo for photo in photos if photo.split == split]
        rows = [row for photo in mine for row in _questions(world, photo)]
        _write(raw, f"TextVQA_0.5.1_{split}.json", "textvqa", split, "0.5.1", rows)
        tokens = [rosetta_row(photo.image_id, photo.words_read) for photo in mine]
        _write(raw, f"TextVQA_Rosetta_OCR_v0.2_{split}.json", "textvqa_ocr", split, "0.2", tokens)


def _photo(world: World, index: int) -> _Photo:
    """One to three words are printed in it."""
    random = world.random("textvqa", index, "photo")
    scene = world.scene("textvqa", index, num_words=random.choice((1, 1, 2, 3)))
    read = () if random.random() < _UNREAD_SHARE else scene.words
    name = world.open_images_id("textvqa", index)
    return _Photo(index, world.split(index), name, scene, read)


def _write(
    raw: Path, file: str, name: str, split: str, version: str, rows: list[dict[str, Any]]
) -> None:
    document = {
        "dataset_type": split,
        "dataset_name": name,
        "dataset_version": version,
        "data": rows,
    }
    write_json(raw / "textvqa" / file, document)


def _questions(world: World, photo: _Photo) -> list[dict[str, Any]]:
    random = world.random("textvqa", photo.number, "questions")
    questions = ask(photo.scene, random)
    words = [question for question in questions if question.kind == "word"]
    others = [question for question in questions if question.kind != "word"]
    chosen = [words[0], *others][:_QUESTIONS_PER_PICTURE]
    return [_row(world, photo, number, question) for number, question in enumerate(chosen)]


def _row(world: World, photo: _Photo, number: int, question: Question) -> dict[str, Any]:
    url = f"https://example.com/{photo.image_id}"
    question_id = photo.number * _QUESTIONS_PER_PICTURE + number
    row = {
        "question": question.text.lower(),
        "image_id": photo.image_id,
        "image_classes": sorted({thing.shape.capitalize() for thing in photo.scene.objects}),
        "flickr_original_url": f"{url}_o.jpg",
        "flickr_300k_url": f"{url}_z.jpg",
        "image_width": SIDE,
        "image_height": SIDE,
        "question_tokens": question.text.lower().rstrip("?").split(),
        "question_id": question_id,
        "set_name": photo.split,
    }
    if photo.split != "test":
        random = world.random("textvqa", question_id, "answers")
        row["answers"] = annotators_answers(question, random, NUM_ANSWERS)
    return row
