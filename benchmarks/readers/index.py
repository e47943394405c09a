"""Ours: one pass in bounded memory that proves the JSON, hashes it and finds windows of whole rows."""

import os
from typing import Any

from benchmarks.readers.documents import DOCUMENTS
from datagen.build.options import BuildOptions
from datagen.raw.json_index import index_json
from datagen.raw.lookup import index_keys


def run(source: str, output: str, rows: str, keys: str = "") -> dict[str, Any]:
    """With `keys`, a second pass finds every row by its key."""
    document = DOCUMENTS[rows]
    size = os.path.getsize(f"{source}/{document.file}")
    window_bytes = BuildOptions(raw=source, out=output).range_bytes(size)
    with open(f"{source}/{document.file}", "rb") as file:
        index = index_json(file, document.file, [document.path], window_bytes)
        container = index.containers[document.path]
        if keys:
            entries = index_keys(file, container, document.key)[0].entries
            return {"rows": len(entries)}
    return {"rows": container.rows}
