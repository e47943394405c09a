"""The rows that the opponents read, and the dict that they make of each.

The functions that make an example and a draw are the product's own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from datagen.render import draw
from datagen.schema.adapter import RowContext
from datagen.schema.example import Example
from datagen.schema.record import SCHEMA
from datagen.sources.vqav2 import CARD, AnnotatorAnswer, examples
from templates.library import load_templates

QUESTIONS = "v2_OpenEnded_mscoco_train2014_questions.json"
ANNOTATIONS = "v2_mscoco_train2014_annotations.json"
JOINED = "joined.jsonl"


class Joined(msgspec.Struct, gc=False):
    """A question with its annotation; it can stand for either."""

    question_id: int
    image_id: int
    question: str
    answers: list[AnnotatorAnswer]
    question_type: str | None = None
    answer_type: str | None = None


def joined(question: Mapping[str, Any], annotation: Mapping[str, Any]) -> Joined:
    """From rows as generic readers give them."""
    return Joined(
        question["question_id"],
        question["image_id"],
        question["question"],
        [AnnotatorAnswer(each["answer"]) for each in annotation["answers"]],
        annotation["question_type"],
        annotation["answer_type"],
    )


class _NoMedia:
    """A `MediaFinder` that VQAv2 never uses."""

    def first_existing(self, *paths: str) -> str:
        raise AssertionError(paths)

    def find_existing(self, *paths: str) -> str | None:
        raise AssertionError(paths)


CONTEXT = RowContext(
    source=CARD.id, split="train", hidden_answers=False, tables={}, media=_NoMedia()
)
TEMPLATES = load_templates().of(CARD.prompts)
NOTHING: dict[str, Any] = dict.fromkeys(SCHEMA.names)


def record_of(row: Joined) -> dict[str, Any]:
    """A row of `SCHEMA` as a dict; the weight stays null, since it needs the number of all rows."""
    CONTEXT.found = {"annotations": (row,)}
    (example,) = examples(row, CONTEXT)  # type: ignore[arg-type]
    drawn = draw(example, TEMPLATES, seed=0)
    return NOTHING | {
        "record_id": example.example_id,
        "source": example.source,
        "split": example.split,
        "task": example.task,
        "group_id": example.group_id,
        "template_id": drawn.template_id,
        "instruction": drawn.instruction,
        "target": drawn.target,
        "references": drawn.references,
        "images": [{"bytes": None, "path": path} for path in example.images or ()],
        "licence": CARD.licence.value,
        "question": example.question,
        "answers": _answers(example),
        "tags": [{"key": key, "value": value} for key, value in (example.tags or {}).items()],
    }


def _answers(example: Example) -> Sequence[dict[str, Any]]:
    return [{"text": each.text, "count": each.count} for each in example.answers or ()]


def write_joined(raw: Path) -> None:
    """Join VQAv2's two files, row by row as they stand, into JSON lines."""
    questions = msgspec.json.decode((raw / CARD.folder / QUESTIONS).read_bytes())
    answered = msgspec.json.decode((raw / CARD.folder / ANNOTATIONS).read_bytes())
    with (raw / JOINED).open("wb") as file:
        for question, annotation in zip(
            questions["questions"], answered["annotations"], strict=True
        ):
            file.write(msgspec.json.encode(annotation | question) + b"\n")
