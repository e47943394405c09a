"""Rows of toy files, mapped by the text of a source file."""

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from datagen.schema.adapter import Filtered, Rejected
from datagen.sources.declared.load import parse_definitions
from datagen.sources.declared.mapping import RowMapping
from datagen.sources.declared.row import Mapped, Place, Problem, RawRow


class Source:
    """One source of a YAML text, less `name` and `files`, with all that it reports."""

    def __init__(self, text: str, **options: Any) -> None:
        head = "name: toy\nfiles: toy.json\n"
        (self.definition,) = parse_definitions(head + textwrap.dedent(text))
        self.problems: list[Problem] = []
        self.mapping = RowMapping(self.definition, report=self.problems.append, **options)

    def map(self, split: str | None = None, **row: Any) -> list[Mapped | Rejected | Filtered]:
        return list(self.mapping.examples(RawRow(Place("toy.json", row=1), row), split))

    def one(self, split: str | None = None, **row: Any) -> Mapped:
        (outcome,) = self.map(split, **row)
        assert isinstance(outcome, Mapped), outcome
        return outcome

    def rejected(self, split: str | None = None, **row: Any) -> tuple[str, str]:
        (outcome,) = self.map(split, **row)
        assert isinstance(outcome, Rejected), outcome
        return outcome.reason.value, outcome.message


@pytest.fixture(name="source")
def source_of() -> Callable[..., Source]:
    return Source
