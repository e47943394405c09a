"""TextVQA 0.5.1: questions on images with printed words, ten answers each, Rosetta's words.

The first question on an image asks for a word, the second one for something else. The file of test
has no answers, and the OCR finds no word in some images.
"""

from pathlib import Path
from typing import Any

from datagen.sample.ocr import (
    Photo,
    image_fields,
    photos,
    write_document,
    write_photos,
    write_rosetta,
)
from datagen.sample.questions import Question, ask
from datagen.sample.world import SPLITS, World
from datagen.sample.writers.vqav2 import NUM_ANSWERS, annotators_answers

_QUESTIONS_PER_IMAGE = 2


def write(raw: Path, world: World) -> None:
    taken = photos(world, "textvqa", (1, 1, 2, 3))
    write_photos(raw, taken)
    for split in SPLITS:
        mine = [photo for photo in taken if photo.split == split]
        rows = [row for photo in mine for row in _questions(world, photo)]
        write_document(
            raw / "textvqa" / f"TextVQA_0.5.1_{split}.json", "textvqa", split, "0.5.1", rows
        )
        write_rosetta(raw / "textvqa", split, "0.2", mine)


def _questions(world: World, photo: Photo) -> list[dict[str, Any]]:
    random = world.random("textvqa", photo.number, "questions")
    questions = ask(photo.scene, random)
    words = [question for question in questions if question.kind == "word"]
    others = [question for question in questions if question.kind != "word"]
    chosen = [words[0], *others][:_QUESTIONS_PER_IMAGE]
    return [_row(world, photo, number, question) for number, question in enumerate(chosen)]


def _row(world: World, photo: Photo, number: int, question: Question) -> dict[str, Any]:
    question_id = photo.number * _QUESTIONS_PER_IMAGE + number
    row = {
        "question": question.text.lower(),
        **image_fields(photo),
        "question_tokens": question.text.lower().rstrip("?").split(),
        "question_id": question_id,
        "set_name": photo.split,
    }
    if photo.split != "test":
        random = world.random("textvqa", question_id, "answers")
        row["answers"] = annotators_answers(question, random, NUM_ANSWERS)
    return row
