"""Question generation from a question-answering source: the answer is given, the question is asked for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from datagen.schema.adapter import Examples, Outcome, RowContext, Source
from datagen.schema.card import SourceCard
from datagen.schema.example import Example


def question_generation(parent: Source, source_id: str) -> Source:
    """The source that reads `parent`'s files and asks for the question.

    Splits whose answers are hidden have nothing to ask about and are left out.
    """
    splits = tuple(
        replace(files, examples=_asking(files.examples))
        for files in parent.splits
        if not files.hidden_answers
    )
    return Source(_card(parent.card, source_id, {files.split for files in splits}), splits)


def _card(parent: SourceCard, source_id: str, splits: set[str]) -> SourceCard:
    return SourceCard(
        **dict(parent)
        | {
            "id": source_id,
            "task": "question_generation",
            "tasks": (),
            "category": "image question generation",
            "splits": {name: card for name, card in parent.splits.items() if name in splits},
            "files": tuple(file for file in parent.files if splits & set(file.splits)),
        }
    )


def _asking(examples: Examples) -> Examples:
    def asking(row: Any, context: RowContext) -> Iterator[Outcome]:
        for outcome in examples(row, context):
            if isinstance(outcome, Example):
                outcome = msgspec.structs.replace(outcome, task="question_generation")
            yield outcome

    return asking
