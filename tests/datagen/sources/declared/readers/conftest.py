"""A folder of own data, read as a definition says."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from datagen.errors import Reason
from datagen.files import LocalFiles
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.readers.files import find_files
from datagen.sources.declared.readers.read import read_rows
from datagen.sources.declared.row import Problem, RawRow


@dataclass
class Reading:
    """Files in a folder, the rows that they give, and what is reported beside them."""

    folder: Path
    rows: list[RawRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def put(self, name: str, data: bytes | str = b"") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def image(self, *names: str) -> None:
        for name in names:
            file = io.BytesIO()
            Image.new("RGB", (4, 3), "red").save(file, "PNG")
            self.put(name, file.getvalue())

    def definition(self, files: Any = None, **keys: Any) -> Definition:
        found = {} if files is None else {"files": files}
        return Definition.model_validate(
            {"name": "pumps", "task": "caption", "base": str(self.folder), **found, **keys}
        )

    def found(self, files: Any = None, **keys: Any) -> list[tuple[str, str | None, str]]:
        """The names, splits and formats of the files that a definition means."""
        definition = self.definition(files, **keys)
        return [(f.name, f.split, f.format) for f in find_files(definition, LocalFiles())]

    def read(self, files: Any = None, **keys: Any) -> list[Any]:
        """The values of the rows, with the reason and message in place of those that are rejected."""
        definition = self.definition(files, **keys)
        self.rows, self.problems = [], []
        for data_file in find_files(definition, LocalFiles()):
            found = read_rows(LocalFiles(), definition, data_file, self.problems.append)
            self.rows.extend(found)
        return [shown(row) for row in self.rows]

    def rejected(self, files: Any = None, **keys: Any) -> tuple[Reason, str]:
        """The reason and message of the only row that is rejected."""
        self.read(files, **keys)
        (row,) = [row for row in self.rows if isinstance(row.value, Rejected)]
        assert isinstance(row.value, Rejected)
        return row.value.reason, row.value.message

    def places(self) -> list[tuple[int | None, int | None]]:
        return [(row.place.row, row.place.line) for row in self.rows]

    def reported(self) -> list[tuple[str, str, str]]:
        return [(p.place.file, p.severity, str(p.reason)) for p in self.problems]


def shown(row: RawRow) -> Any:
    if isinstance(row.value, Mapping):
        return dict(row.value)
    return str(row.value.reason)


@pytest.fixture
def own(tmp_path: Path) -> Reading:
    return Reading(tmp_path)


@pytest.fixture
def batches_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Reads columnar files a few bytes at a time."""

    def use(num_bytes: int) -> None:
        monkeypatch.setattr(
            "datagen.sources.declared.readers.columnar.BATCH_BYTES", num_bytes, raising=True
        )

    return use
