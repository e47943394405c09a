"""A case: inputs of a metric and what its official code made of them; a line of a cases file.

    {"inputs": {"pred": "two", "gts": ["2", "two", ...]}, "expected": {"official_2021_a013f00": 100.0}, "source": "..."}

Some formats have one value as `expected`, and some have further ones beside it.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from trainer.errors import EvaluationError
from trainer.evaluation.metrics.base import Floats

TOLERANCE = 1e-6
"""Absolute and relative: some expected values are rounded to six digits, some of single precision."""


class Compared(NamedTuple):
    """An expected value and ours."""

    key: str
    expected: Any
    got: Any


class Unchecked(NamedTuple):
    """An expected value that nothing of ours is compared with, and why."""

    key: str
    why: str


Outcome: TypeAlias = Compared | Unchecked


@dataclass(frozen=True)
class Case:
    """A line of a cases file; `place` is its number."""

    place: str
    row: Mapping[str, Any]

    def wrong(self, what: str) -> EvaluationError:
        return EvaluationError(f"{self.place}: {what}")

    @property
    def expected(self) -> Mapping[str, Any]:
        """The expected values by key; a single one has the key `expected`."""
        found = self.row["expected"]
        return found if isinstance(found, dict) else {"expected": found}

    @property
    def named(self) -> str:
        return f"{self.place} (id {self.row['id']})" if "id" in self.row else self.place

    def has(self, name: str) -> bool:
        inputs = self.row["inputs"]
        return isinstance(inputs, dict) and name in inputs

    def input(self, name: str, kind: type, what: str) -> Any:
        """Return an input of a type; `what` names the type in words."""
        inputs = self.row["inputs"]
        if not isinstance(inputs, dict):
            raise self.wrong(f"`inputs` is {shortened(inputs)}, not an object with {name!r}")
        if name not in inputs:
            has = ", ".join(inputs) or "nothing"
            raise self.wrong(f"`inputs` lacks {name!r} (it has {has}); is it of another metric?")
        if not isinstance(inputs[name], kind):
            raise self.wrong(f"`inputs.{name}` is {shortened(inputs[name])}, not {what}")
        return inputs[name]

    def text(self, name: str) -> str:
        found: str = self.input(name, str, "a text")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        found = self.input(name, list, "a list of texts")
        if not found or not all(isinstance(each, str) for each in found):
            raise self.wrong(f"`inputs.{name}` is {shortened(found)}, not a list of texts")
        return tuple(found)

    def array(self, name: str) -> Floats:
        """Numbers, in rows of one length where they are nested."""
        found = self.input(name, list, "a list of numbers")
        try:
            numbers = np.array(found, dtype=np.float64) if _numeric(found) else None
        except (ValueError, OverflowError):
            numbers = None
        if numbers is None or not numbers.size or np.isnan(numbers).any():
            raise self.wrong(
                f"`inputs.{name}` is {shortened(found)}, not numbers in rows of one length"
            )
        return numbers

    def whole(self, name: str) -> Floats:
        """Whole numbers, in rows of one length where they are nested."""
        numbers = self.array(name)
        if (numbers != np.floor(numbers)).any():
            raise self.wrong(f"`inputs.{name}` has numbers that are not whole")
        return numbers


def _numeric(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_numeric, value))
    return isinstance(value, int | float)


def read_cases(path: Path) -> Iterator[Case]:
    """The cases of a file; empty lines are passed over.

    Raises:
        EvaluationError: there is no such file, or a line is no case; names it.
    """
    if not path.is_file():
        raise EvaluationError(f"no such file: {path}")
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _case(f"{path}, line {number}", line)


def _case(place: str, line: bytes) -> Case:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"{place}: not JSON ({error})") from None
    if not isinstance(row, dict):
        raise EvaluationError(f"{place}: {shortened(row)} is not an object")
    if missing := [name for name in ("inputs", "expected") if name not in row]:
        raise EvaluationError(
            f"{place}: no case, it has no {' and no '.join(f'`{name}`' for name in missing)}"
        )
    return Case(place, row)


def against(
    case: Case, values: Mapping[str, Any], unchecked: Mapping[str, str] | None = None
) -> Iterator[Outcome]:
    """Every expected value beside ours of that key; `unchecked` gives the reasons why known keys have none."""
    for key, expected in case.expected.items():
        if key in values:
            yield Compared(key, expected, values[key])
        else:
            why = (unchecked or {}).get(key, "unknown key")
            yield Unchecked(key, why)


def first_difference(case: Case, compared: Compared) -> Compared | None:
    """Return where the expected value and ours differ first, or None.

    Raises:
        EvaluationError: the expected value is of another type.
    """
    key, expected, got = compared
    named = f"`{key}`" if key == "expected" else f"the expected {key}"
    if isinstance(got, str):
        if not isinstance(expected, str):
            raise case.wrong(f"{named} is {shortened(expected)}, not a text")
        return None if expected == got else compared
    if isinstance(got, Sequence):
        if not isinstance(expected, list):
            raise case.wrong(f"{named} is {shortened(expected)}, not a list")
        if len(expected) != len(got):
            return Compared(f"length of {key}", len(expected), len(got))
        pairs = enumerate(zip(expected, got, strict=True))
        parts = (Compared(f"{key}[{place}]", *pair) for place, pair in pairs)
        return next((each for part in parts if (each := first_difference(case, part))), None)
    number = _number(expected)
    if number is None:
        raise case.wrong(f"{named} is {shortened(expected)}, not a number")
    both_undefined = math.isnan(number) and math.isnan(got)
    equal = both_undefined or math.isclose(number, got, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return None if equal else compared


def _number(value: Any) -> float | None:
    """A number, or a text of one ("nan", "57.14")."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def shortened(value: Any, longest: int = 200) -> str:
    """A value as JSON, cut in its middle."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= longest:
        return text
    half = (longest - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"
