"""Visual Dialog 1.0: dialogs of ten rounds, each answer among 100 options, and dense relevance.

Questions and answers are places in two tables. Training dialogs are about COCO's train2014 and
val2014, the others have images of their own. The last round of a test dialog has no answer.
"""

from pathlib import Path
from typing import Any

from datagen.sample.dialogs import Turn, answer_options, dialog, opening
from datagen.sample.world import Image, World, write_images, write_json

NUM_ROUNDS = 10
_SCENES_PER_DIALOG = 2


class _Table:
    """Distinct strings in the order in which they are first asked for."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        return self._places.setdefault(text, len(self._places))

    def texts(self) -> list[str]:
        return list(self._places)


def write(raw: Path, world: World) -> None:
    splits = {"train": "train", "val": "val2018", "test": "test2018"}
    pictures = _images(world)
    write_images(raw, pictures)
    for split, official in splits.items():
        questions, answers = _Table(), _Table()
        some = [picture for picture in pictures if picture.role == split]
        dialogs = [_dialog(world, picture, questions, answers) for picture in some]
        write_json(
            raw / "visdial" / f"visdial_1.0_{split}.json",
            {
                "version": "1.0",
                "split": official,
                "data": {
                    "questions": questions.texts(),
                    "answers": answers.texts(),
                    "dialogs": dialogs,
                },
            },
        )
    write_json(
        raw / "visdial" / "visdial_1.0_val_dense_annotations.json",
        [_relevance(world, picture) for picture in pictures if picture.role == "val"],
    )


def _images(world: World) -> list[Image]:
    """One image a dialog; `role` is the dialog's split."""
    num_dialogs = max(world.num_scenes // _SCENES_PER_DIALOG, 5)
    coco = iter([*world.coco("restval"), *world.coco("train")])
    pictures = []
    for index in range(num_dialogs):
        split = world.split(index)
        if split == "train":
            known = next(coco)
            picture = Image(split, known.image_id, known.folder, known.file_name, known.scene)
        else:
            image_id = world.own_image_id(index)
            folder = f"VisualDialog_{split}2018"
            name = f"{folder}_{image_id:012d}.jpg"
            scene = world.scene("visdial", index)
            picture = Image(split, image_id, f"visdial/{folder}", name, scene)
        pictures.append(picture)
    return pictures


def _turns(world: World, picture: Image) -> list[Turn]:
    return dialog(picture.scene, world.random("visdial", picture.image_id), NUM_ROUNDS)


def _options(world: World, picture: Image, turn: Turn, number: int) -> list[str]:
    return answer_options(turn, world.random("visdial", picture.image_id, number, "options"))


def _dialog(world: World, picture: Image, questions: _Table, answers: _Table) -> dict[str, Any]:
    rounds: list[dict[str, Any]] = []
    for number, turn in enumerate(_turns(world, picture)):
        options = _options(world, picture, turn, number)
        row = {
            "answer": answers.place(turn.answer),
            "gt_index": options.index(turn.answer),
            "question": questions.place(turn.question),
            "answer_options": [answers.place(option) for option in options],
        }
        rounds.append(row)
    if picture.role == "test":
        random = world.random("visdial", picture.image_id, "rounds")
        rounds = _with_hidden_answer(rounds[: random.randint(1, NUM_ROUNDS)])
    random = world.random("visdial", picture.image_id, "caption")
    return {
        "image_id": picture.image_id,
        "dialog": rounds,
        "caption": opening(picture.scene, random),
    }


def _with_hidden_answer(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Options in the last round only, and its answer nowhere."""
    *earlier, last = rounds
    return [
        *({"answer": row["answer"], "question": row["question"]} for row in earlier),
        {"question": last["question"], "answer_options": last["answer_options"]},
    ]


def _relevance(world: World, picture: Image) -> dict[str, Any]:
    """Five annotators' votes on the options of one round: false answers get none."""
    random = world.random("visdial", picture.image_id, "relevance")
    turns = _turns(world, picture)
    number = random.randrange(len(turns))
    turn = turns[number]
    votes = {text: random.choice((0.4, 0.6, 0.8)) for text in turn.other_true_answers}
    votes[turn.answer] = 1.0
    options = _options(world, picture, turn, number)
    return {
        "image_id": picture.image_id,
        "round_id": number + 1,
        "gt_relevance": [votes.get(option, 0.0) for option in options],
    }
