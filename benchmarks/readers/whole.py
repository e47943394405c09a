"""Parsers that take the document whole, and one that streams it."""

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.readers.documents import DOCUMENTS, Document


def run(source: str, output: str, rows: str, parser: str) -> dict[str, Any]:
    document = DOCUMENTS[rows]
    return {"rows": PARSERS[parser](Path(source, document.file), document)}


def _json(path: Path, document: Document) -> int:
    with path.open() as file:
        return len(_at(json.load(file), document))


def _orjson(path: Path, document: Document) -> int:
    return len(_at(importlib.import_module("orjson").loads(path.read_bytes()), document))


def _msgspec(path: Path, document: Document) -> int:
    return len(_at(msgspec.json.decode(path.read_bytes()), document))


def _typed(path: Path, document: Document) -> int:
    return _count(path, document, document.row)


def _raw(path: Path, document: Document) -> int:
    return _count(path, document, msgspec.Raw)


def _count(path: Path, document: Document, row: Any) -> int:
    kind: Any = list[row]
    for name in reversed(document.path):
        kind = msgspec.defstruct("Part", [(name, kind)])
    decoded = msgspec.json.decode(path.read_bytes(), type=kind)
    for name in document.path:
        decoded = getattr(decoded, name)
    return len(decoded)


def _ijson(path: Path, document: Document) -> int:
    ijson = importlib.import_module("ijson")
    with path.open("rb") as file:
        return sum(1 for _ in ijson.items(file, ".".join((*document.path, "item")), use_float=True))


def _at(value: Any, document: Document) -> Sequence[Any]:
    for name in document.path:
        value = value[name]
    rows: Sequence[Any] = value
    return rows


PARSERS: dict[str, Callable[[Path, Document], int]] = {
    "json": _json,
    "orjson": _orjson,
    "msgspec": _msgspec,
    "typed": _typed,
    "raw": _raw,
    "ijson": _ijson,
}
