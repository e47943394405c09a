"""Annotators' answers, blank ones among them: counted, drawn as a target, repeated as references.

A blank answer has no visible character (`templates.blank`). It stays in `answers` and in the references,
since the official VQA score averages over all annotators, but is never drawn as a target. An example
whose answers are all blank is rejected, and a blank question or caption by `example.required_text`.
"""

from collections.abc import Iterable

from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.text import clean_line


class Answer(Struct, frozen=True):
    """An answer and how many annotators gave it."""

    text: str
    count: int


def counted(texts: Iterable[str]) -> tuple[Answer, ...]:
    """Return answers as one line each, equal ones counted, in order of first occurrence.

    Blank answers are kept, as one empty text.

    Raises:
        RowRejectedError: all answers are blank, or there are none.
    """
    given = occurrences(texts)
    counts: dict[str, int] = {}
    for text, count in given.items():
        line = clean_line(text)
        counts[line] = counts.get(line, 0) + count
    if not counts or counts.keys() == {""}:
        raise RowRejectedError(Reason.NO_ANSWERS, f"none of {sum(given.values())} answers has text")
    return tuple([Answer(text, count) for text, count in counts.items()])


def occurrences(texts: Iterable[str]) -> dict[str, int]:
    """Return how often each text occurs, in order of first occurrence."""
    found: dict[str, int] = {}
    for text in texts:
        found[text] = found.get(text, 0) + 1
    return found


def drawn(answers: tuple[Answer, ...], chance: int) -> str:
    """Return one answer, each as often as annotators gave it; a blank one never.

    `chance` is a number below 2**64, of `datagen.render.chance`.
    """
    if len(answers) == 1:
        return answers[0].text
    place = chance % sum([answer.count for answer in answers if answer.text])
    for answer in answers:
        if answer.text:
            place -= answer.count
            if place < 0:
                return answer.text
    raise AssertionError("answers with no text are refused when an example is made")


def repeated(answers: tuple[Answer, ...]) -> tuple[str, ...]:
    """Return every answer as often as annotators gave it, blank ones too."""
    return tuple([answer.text for answer in answers for _ in range(answer.count)])
