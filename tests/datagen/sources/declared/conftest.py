"""Rows of toy files, mapped by the text of a source file."""

import textwrap
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from datagen.files import LocalFiles
from datagen.schema.adapter import Filtered, Rejected
from datagen.sources.declared.check import Checker, record_of
from datagen.sources.declared.load import parse_definitions
from datagen.sources.declared.mapping import RowMapping
from datagen.sources.declared.normalise import resolve
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


def checked(folder: Path, text: str, name: str = "toy.yaml") -> tuple[list[Any], Checker]:
    """Return the records of a source file in a folder as plain JSON, and what checked them."""
    (definition,) = parse_definitions(textwrap.dedent(text), base=str(folder), name=name)
    resolved, data_files = resolve(definition, LocalFiles())
    with closing(Checker(resolved, data_files, LocalFiles())) as checker:
        return [record_of(each, checker) for each in checker.records()], checker


@pytest.fixture(name="check")
def check_of(tmp_path: Path) -> Callable[[str], tuple[list[Any], Checker]]:
    """Check a source file in the folder of the test."""
    return lambda text: checked(tmp_path, text)


@pytest.fixture
def image(tmp_path: Path) -> Callable[[str], None]:
    """Write a small image, and the folders on the way to it; each is of another colour."""
    written: list[str] = []

    def write(name: str) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        written.append(name)
        Image.new("RGB", (8, 8), (len(written) * 7 % 256, 0, 0)).save(tmp_path / name)

    return write
