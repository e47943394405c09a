"""The places of the rows of the 16 sets of own data, which a clone need not have."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datagen.files import LocalFiles
from datagen.schema.adapter import Rejected
from datagen.sources.declared.load import read_definitions
from datagen.sources.declared.readers.files import digest, find_files
from datagen.sources.declared.readers.read import read_rows
from datagen.sources.declared.row import RawRow

ROOT = Path(__file__).parents[5]
SETS = ROOT.parent / "shared" / "own_data"
FILES = sorted((ROOT / "tests" / "own_data").glob("*.yaml"))
PLACES = ("file", "split", "row", "line", "pointer", "key")

pytestmark = pytest.mark.skipif(not SETS.is_dir(), reason="../shared is not there")


def rows_of(name: str) -> Iterator[RawRow]:
    for definition in read_definitions(ROOT / "tests" / "own_data" / f"{name}.yaml"):
        mine = definition.model_copy(update={"base": str(SETS / name / "data")})
        for data_file in find_files(mine, LocalFiles()):
            assert digest(LocalFiles(), data_file)[0] > 0
            yield from read_rows(LocalFiles(), mine, data_file, lambda problem: None)


def place_of(row: RawRow) -> dict[str, Any]:
    return {name: getattr(row.place, name) for name in PLACES}


def is_at(row: RawRow, wanted: dict[str, Any]) -> bool:
    found = place_of(row) | {"file": f"data/{row.place.file}"}
    return all(found[name] == wanted[name] for name in PLACES if name in wanted)


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_each_expected_record_is_of_a_row_that_is_read_at_its_place(name: str) -> None:
    rows = list(rows_of(name))
    lines = (SETS / name / "expected.jsonl").read_text().splitlines()
    for wanted in map(json.loads, lines):
        found = [row for row in rows if is_at(row, wanted["row"])]
        assert len(found) == 1, wanted["row"]
        if not wanted.get("optional"):
            assert not isinstance(found[0].value, Rejected), found[0]


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_no_row_is_rejected_that_a_careful_reader_uses(name: str) -> None:
    problems = json.loads((SETS / name / "expected_problems.json").read_text())
    for row in rows_of(name):
        if isinstance(row.value, Rejected):
            found = [each for each in problems if is_at(row, each)]
            assert any(row.value.reason in each["reason"].split("|") for each in found), row
