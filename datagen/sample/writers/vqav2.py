"""VQA v2: open-ended questions on COCO images with ten annotators' answers, files of April 2017.

The test files ask about test2015 without answers; test-dev is a part of test.
"""

from pathlib import Path
from random import Random
from typing import Any

from datagen.sample.questions import Question, ask, varied
from datagen.sample.world import LICENSE, Image, World, write_images, write_json

INFO = {
    "description": "Drawn scenes in the layout of VQA v2.0; not the VQA dataset.",
    "url": "http://visualqa.org",
    "version": "2.0",
    "year": 2017,
    "contributor": "visinstruct",
    "date_created": "2017-04-26 17:07:13",
}
NUM_ANSWERS = 10
QUESTION_TYPES = (
    "what color is the",
    "what is the color of the",
    "what is the",
    "what is",
    "what does the",
    "what",
    "how many",
    "where is the",
    "which",
    "is there a",
    "is the",
    "do you",
)
"""Those of the official first words that our questions can begin with, the longest first."""

_VAL_ROLES = ("val", "test")  # images that no caption of `restval` trains on


def write(raw: Path, world: World) -> None:
    folder = raw / "vqav2"
    for subset, roles in {"train2014": ("train",), "val2014": _VAL_ROLES}.items():
        pictures = world.coco(*roles)
        write_images(raw, pictures)
        asked = [(picture, *pair) for picture in pictures for pair in _questions(world, picture)]
        write_json(
            folder / f"v2_OpenEnded_mscoco_{subset}_questions.json",
            _header(subset, [_question_row(*row) for row in asked]),
        )
        write_json(
            folder / f"v2_mscoco_{subset}_annotations.json",
            {
                "info": INFO,
                "license": LICENSE,
                "data_subtype": subset,
                "annotations": [_annotation(world, *row) for row in asked],
                "data_type": "mscoco",
            },
        )
    pictures = world.coco("hidden")
    write_images(raw, pictures)
    for subset, some in {"test-dev2015": pictures[::2], "test2015": pictures}.items():
        rows = [_question_row(p, *pair) for p in some for pair in _questions(world, p)]
        write_json(folder / f"v2_OpenEnded_mscoco_{subset}_questions.json", _header(subset, rows))


def annotators_answers(question: Question, random: Random, num: int) -> list[str]:
    """Draw the answers of `num` annotators: mostly the answer itself, sometimes another true one."""
    others = [
        random.choice(question.synonyms) if question.synonyms and random.random() < 0.2 else None
        for _ in range(num)
    ]
    allowed = (num - 1) // 2  # so that the answer itself stays the commonest
    answers = []
    for other in others:
        if other is None or allowed == 0:
            answers.append(question.answer)
        else:
            answers.append(other)
            allowed -= 1
    return answers


def question_type(text: str) -> str:
    """The longest of the official beginnings that `text` has."""
    lower = text.lower()
    return next((start for start in QUESTION_TYPES if lower.startswith(start)), "none of the above")


def _questions(world: World, picture: Image) -> list[tuple[int, Question]]:
    """Three or four questions on an image, with their ids."""
    random = world.random("vqav2", picture.image_id)
    questions = varied(ask(picture.scene, random), random.choice((3, 4)))
    return [(picture.image_id * 1000 + number, asked) for number, asked in enumerate(questions)]


def _header(subset: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "info": INFO,
        "task_type": "Open-Ended",
        "data_type": "mscoco",
        "license": LICENSE,
        "data_subtype": subset,
        "questions": rows,
    }


def _question_row(picture: Image, question_id: int, question: Question) -> dict[str, Any]:
    return {"image_id": picture.image_id, "question": question.text, "question_id": question_id}


def _annotation(
    world: World, picture: Image, question_id: int, question: Question
) -> dict[str, Any]:
    random = world.random("vqav2", question_id, "answers")
    answers = annotators_answers(question, random, NUM_ANSWERS)
    return {
        "question_type": question_type(question.text),
        "multiple_choice_answer": question.answer,
        "answers": [
            {
                "answer": answer,
                "answer_confidence": "yes" if random.random() < 0.9 else "maybe",
                "answer_id": number,
            }
            for number, answer in enumerate(answers, start=1)
        ],
        "image_id": picture.image_id,
        "answer_type": question.answer_type,
        "question_id": question_id,
    }
