"""GQA 1.2, balanced: questions by id, each with its types, groups, program and full answer.

Programs are of one step, and detailed types are ours. Half of the images that are for testing are
test-dev's; the others are test's, whose questions have no answers.
"""

from pathlib import Path
from random import Random
from typing import Any

from datagen.sample.questions import Question, ask, varied
from datagen.sample.world import World, write_image, write_json

OFFICIAL_SPLITS = ("train", "val", "testdev", "test")
_KINDS = {  # structural and semantic type
    "color": ("query", "attr"),
    "shape": ("query", "attr"),
    "size": ("query", "attr"),
    "place": ("query", "rel"),
    "existence": ("verify", "obj"),
    "attribute": ("verify", "attr"),
    "relation": ("verify", "rel"),
    "neighbor": ("query", "rel"),
}
_MAX_QUESTIONS = 4
_FLICKR_SHARE = 0.2  # of images whose id begins with `n`


def write(raw: Path, world: World) -> None:
    files: dict[str, dict[str, Any]] = {split: {} for split in OFFICIAL_SPLITS}
    for index in range(world.num_scenes):
        split = _split(world, index)
        scene = world.scene("gqa", index)
        random = world.random("gqa", index, "questions")
        image_id = _image_id(world, index, random)
        write_image(raw / "images" / "gqa" / f"{image_id}.jpg", scene)
        questions = [question for question in ask(scene, random) if question.kind in _KINDS]
        for number, question in enumerate(varied(questions, _MAX_QUESTIONS)):
            question_id = f"{index:06d}{number:03d}"
            row = _row(question_id, image_id, question)
            if split == "test":
                row = {name: row[name] for name in ("question", "imageId", "isBalanced")}
            files[split][question_id] = row
    for split, rows in files.items():
        write_json(raw / "gqa" / f"{split}_balanced_questions.json", rows)


def _split(world: World, index: int) -> str:
    split = world.split(index)
    return "testdev" if split == "test" and index // 5 % 2 == 0 else split


def _image_id(world: World, index: int, random: Random) -> str:
    prefix = "n" if random.random() < _FLICKR_SHARE else ""
    return f"{prefix}{world.own_image_id(index)}"


def _row(question_id: str, image_id: str, question: Question) -> dict[str, Any]:
    structural, semantic = _KINDS[question.kind]
    return {
        "semantic": [{"operation": structural, "dependencies": [], "argument": question.kind}],
        "entailed": [],
        "equivalent": [question_id],
        "question": question.text,
        "imageId": image_id,
        "isBalanced": True,
        "groups": {
            "global": None if structural == "verify" else question.kind,
            "local": f"{len(question.text.split()):02d}-{question.kind}",
        },
        "answer": question.answer,
        "semanticStr": f"{structural}: {question.kind}",
        "annotations": {"answer": {}, "question": {}, "fullAnswer": {}},
        "types": {
            "detailed": f"{question.kind}{structural.capitalize()}",
            "semantic": semantic,
            "structural": structural,
        },
        "fullAnswer": question.sentence,
    }
