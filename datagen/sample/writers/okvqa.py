"""OK-VQA 1.0: questions beyond what a COCO image shows, in the layout of VQA.

The ten answers are those of five annotators, each given twice, as written and as stemmed.
"""

from pathlib import Path
from random import Random
from typing import Any

from datagen.sample.knowledge import ask_with_knowledge, plural
from datagen.sample.questions import Question, ask, varied
from datagen.sample.words import NUMBER_WORDS
from datagen.sample.world import LICENSE, Image, World, write_images, write_json
from datagen.sample.writers.vqav2 import annotators_answers

NUM_ANNOTATORS = 5
_TOPICS = {"food": "five", "thing": "three", "count": "nine"}  # of the publisher's ten
_ROLES = {"train2014": ("train",), "val2014": ("val", "test")}
_INFO = {
    "year": 2019,
    "version": "1.0",
    "description": "Drawn scenes in the layout of OK-VQA v1.0; not the OK-VQA dataset.",
}


def write(raw: Path, world: World) -> None:
    folder = raw / "okvqa"
    for subset, roles in _ROLES.items():
        pictures = world.coco(*roles)
        write_images(raw, pictures)
        asked = [(picture, *pair) for picture in pictures for pair in _questions(world, picture)]
        header = {"license": LICENSE, "data_subtype": subset}
        write_json(
            folder / f"OpenEnded_mscoco_{subset}_questions.json",
            {
                **header,
                "task_type": "Open-Ended",
                "questions": [
                    {"image_id": p.image_id, "question": q.text, "question_id": question_id}
                    for p, question_id, q in asked
                ],
                "info": _INFO,
                "data_type": "mscoco",
            },
        )
        write_json(
            folder / f"mscoco_{subset}_annotations.json",
            {
                **header,
                "annotations": [_annotation(world, *row) for row in asked],
                "info": _INFO,
                "data_type": "mscoco",
            },
        )


def _questions(world: World, picture: Image) -> list[tuple[int, Question]]:
    """One or two questions on an image, with their ids."""
    random = world.random("okvqa", picture.image_id)
    found = ask_with_knowledge(picture.scene, random) or ask(picture.scene, random)
    questions = varied(found, random.choice((1, 2)))
    return [(picture.image_id * 10 + number, asked) for number, asked in enumerate(questions, 5)]


def _annotation(
    world: World, picture: Image, question_id: int, question: Question
) -> dict[str, Any]:
    random = world.random("okvqa", question_id, "answers")
    given = annotators_answers(question, random, NUM_ANNOTATORS)
    rows: list[dict[str, Any]] = []
    for answer in given:
        raw = _as_written(question, answer, random)
        confidence = "yes" if random.random() < 0.9 else "no"
        for _ in range(2):
            rows.append(
                {
                    "answer_id": len(rows) + 1,
                    "raw_answer": raw,
                    "answer_confidence": confidence,
                    "answer": _stemmed(answer),
                }
            )
    return {
        "image_id": picture.image_id,
        "answer_type": "other",
        "question_type": _TOPICS.get(question.kind, "other"),
        "question_id": question_id,
        "answers": rows,
        "confidence": random.randint(2, 5),
    }


def _as_written(question: Question, answer: str, random: Random) -> str:
    """Food and things are now and then spoken of in the plural."""
    in_plural = question.kind in ("food", "thing") and random.random() < 0.3
    return plural(answer) if in_plural else answer


def _stemmed(answer: str) -> str:
    """Numbers as digits; what is not in the plural is its own stem here."""
    return str(NUMBER_WORDS.index(answer)) if answer in NUMBER_WORDS else answer
