"""VizWiz-VQA: one spoken question an image, of which some cannot be answered.

The test file has images and questions only.
"""

from pathlib import Path
from random import Random
from typing import Any

from datagen.sample.questions import Question, ask
from datagen.sample.scenes import Scene
from datagen.sample.world import SPLITS, World, write_image, write_json
from datagen.sample.writers.vqav2 import annotators_answers

NUM_ANSWERS = 10
_UNANSWERABLE_SHARE = 0.25
_UNANSWERABLE = (
    "What brand is this?",
    "When does this expire?",
    "How much does this cost?",
    "Is this my mail?",
)
_NO_ANSWERS = ("unanswerable", "unsuitable")


def write(raw: Path, world: World) -> None:
    rows: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    for index in range(world.num_scenes):
        split = world.split(index)
        scene = world.scene("vizwiz", index)
        image = f"VizWiz_{split}_{len(rows[split]):08d}.jpg"
        write_image(raw / "images" / "vizwiz" / image, scene)
        row = _row(image, scene, world.random("vizwiz", index, "question"))
        if split == "test":
            row = {name: row[name] for name in ("image", "question")}
        rows[split].append(row)
    for split in SPLITS:
        write_json(raw / "vizwiz" / f"{split}.json", rows[split])


def _row(image: str, scene: Scene, random: Random) -> dict[str, Any]:
    if random.random() < _UNANSWERABLE_SHARE:
        text, answer_type = random.choice(_UNANSWERABLE), "unanswerable"
        answers = [_NO_ANSWERS[0], *random.choices(_NO_ANSWERS, (4, 1), k=NUM_ANSWERS - 1)]
    else:
        question = ask(scene, random)[0]
        text, answer_type = question.text, question.answer_type
        answers = _answers(question, random)
    random.shuffle(answers)
    return {
        "image": image,
        "question": _spoken(text, random),
        "answers": [
            {"answer_confidence": random.choice(("yes", "yes", "maybe")), "answer": answer}
            for answer in answers
        ],
        "answer_type": answer_type,
        "answerable": int(answer_type != "unanswerable"),
    }


def _answers(question: Question, random: Random) -> list[str]:
    """Now and then someone cannot tell."""
    doubts = random.choice((0, 0, 1))
    return annotators_answers(question, random, NUM_ANSWERS - doubts) + list(_NO_ANSWERS[:doubts])


def _spoken(text: str, random: Random) -> str:
    """As it is said to a helper."""
    before = random.choice(("", "", "", "Hello. ", "Can you tell me? "))
    after = random.choice(("", "", "", "  Thank you.", " Thanks."))
    return f"{before}{text}{after}"
