"""The images that a row names, still as the row names them."""

from collections.abc import Sequence
from typing import Any

from datagen.sources.declared.columns import Column
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.paths import columns_of_pattern
from datagen.sources.declared.row import Value
from datagen.sources.declared.values import is_missing


class RawImages:
    """Finds the images of a row: paths, URLs, or mappings with `bytes` and `path`.

    Paths that are made of a pattern are made later, from the same row.

    Raises:
        ColumnError: the definition's column cannot be read.
    """

    def __init__(self, definition: Definition) -> None:
        named, pattern = definition.columns.image, definition.images.pattern
        self.column = None if named is None else Column(named)
        self.by_pattern = pattern is not None and self.column is None
        self.columns: Sequence[Column] = [
            *([] if self.column is None else [self.column]),
            *(Column(name) for name in columns_of_pattern(pattern) if name != "image"),
        ]
        """All that the image depends on."""

    def of(self, row: Value) -> list[Any]:
        """Return the images that a row names, blank ones left out."""
        return [] if self.column is None else _items(self.column.get(row))


def _items(value: Any) -> list[Any]:
    if type(value) is str:
        return [value] if value and not value.isspace() else []
    if is_missing(value) or value in (b"", {}):
        return []
    if isinstance(value, list | tuple):
        return [item for each in value for item in _items(each)]
    if isinstance(value, dict) and {"bytes", "path"} >= value.keys() and not any(value.values()):
        return []
    return [{"bytes": value}] if isinstance(value, bytes) else [value]
