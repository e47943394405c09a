"""Normal rows: what a build reads of declared sources, in JSON lines that this package wrote itself."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from datagen.schema.adapter import Filtered, Origin, Outcome, Rejected, RowContext
from datagen.schema.example import Example
from datagen.sources.declared.row import Place


class NormalOutcome(Struct, frozen=True, omit_defaults=True):
    """One of the three things that a part of a row becomes."""

    example: Example | None = None
    rejected: Rejected | None = None
    filtered: str | None = None


class NormalRow(Struct, frozen=True, omit_defaults=True):
    """A row of a user's file, and everything that it becomes in one split.

    `text` is the row as it stands in the file, only where something of it was rejected or may be.
    """

    place: Place
    outcomes: tuple[NormalOutcome, ...]
    text: str = ""


ENCODER = msgspec.json.Encoder()


def outcomes(row: NormalRow, context: RowContext) -> Iterator[Outcome]:
    """Yield what a normal row was found to be."""
    for each in row.outcomes:
        if each.example is not None:
            yield each.example
        elif each.rejected is not None:
            yield each.rejected
        else:
            assert each.filtered is not None
            yield Filtered(each.filtered)


def origin(row: Any) -> Origin:
    """Return the place of a normal row in its owner's file."""
    assert isinstance(row, NormalRow)
    place = row.place
    number = None if place.row is None else place.row - 1
    return Origin(place.file, number, place.line, place.pointer, place.key, row.text)


def answers_of(row: Any) -> Iterator[str]:
    """Yield the answers of a normal row, of which a vocabulary is made."""
    assert isinstance(row, NormalRow)
    for each in row.outcomes:
        if each.example is not None:
            for answer in each.example.answers or ():
                yield answer.text
