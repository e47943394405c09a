"""A-OKVQA 1.0: questions beyond what an image of COCO 2017 shows, with choices and direct answers.

The test file tells neither the right choice nor answers nor rationales.
"""

import string
from pathlib import Path
from typing import Any

from datagen.sample.knowledge import ask_with_knowledge
from datagen.sample.questions import Question, ask, choices, varied
from datagen.sample.world import Image, World, write_images, write_json
from datagen.sample.writers.vqav2 import annotators_answers

NUM_CHOICES = 4
NUM_ANSWERS = 10
_ROLES = {"train": ("train", "restval"), "val": ("val", "test"), "test": ("hidden",)}
_ID_CHARACTERS = string.digits[2:] + string.ascii_letters


def write(raw: Path, world: World) -> None:
    for split, roles in _ROLES.items():
        pictures = world.coco(*roles, release=2017)
        write_images(raw, pictures)
        rows = [
            _row(world, split, picture, number, question)
            for picture in pictures
            for number, question in enumerate(_questions(world, picture))
        ]
        write_json(raw / "aokvqa" / f"aokvqa_v1p0_{split}.json", rows)


def _questions(world: World, picture: Image) -> list[Question]:
    """One or two questions on an image that have as many choices as all others."""
    random = world.random("aokvqa", picture.image_id)
    found = ask_with_knowledge(picture.scene, random) or ask(picture.scene, random)
    questions = [question for question in found if len(question.wrong) >= NUM_CHOICES - 1]
    return varied(questions, random.choice((1, 2)))


def _row(
    world: World, split: str, picture: Image, number: int, question: Question
) -> dict[str, Any]:
    random = world.random("aokvqa", picture.image_id, number)
    found, right = choices(question, random, NUM_CHOICES)
    question_id = "".join(random.choices(_ID_CHARACTERS, k=22))
    answers = annotators_answers(question, random, NUM_ANSWERS)
    row = {
        "split": split,
        "image_id": picture.image_id,
        "question_id": question_id,
        "question": question.text,
        "choices": found,
        "correct_choice_idx": right,
        "direct_answers": answers,
        "difficult_direct_answer": random.random() < 0.1,
        "rationales": [
            question.sentence,
            f"{question.sentence} This is known.",
            f"The answer is {question.answer}.",
        ],
    }
    if split == "test":
        for name in ("correct_choice_idx", "direct_answers", "rationales"):
            del row[name]
    return row
