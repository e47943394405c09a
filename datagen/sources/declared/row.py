"""A row of a user's file: its place, and its content as plain Python values or the reason why it has none."""

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from datagen.errors import Reason
from datagen.schema.adapter import Rejected

MAX_TEXT = 4_000
"""Characters of a row that are kept for the log of rejections."""

Value: TypeAlias = Mapping[str, Any]
"""Columns by name. Values are those of JSON, and bytes for binary cells and members of a tar."""


class Place(Struct, frozen=True, omit_defaults=True):
    """The place of a row, by which a person finds it again.

    `file` is relative to the folder of the source file. `row` counts data rows from 1, without headers
    and blank lines; `line` is the physical line on which it begins, from 1. `pointer` is a JSON pointer
    (RFC 6901), `key` names a sample of a tar, `split` the part of a saved data set.
    """

    file: str
    row: int | None = None
    line: int | None = None
    pointer: str | None = None
    key: str | None = None
    split: str | None = None

    def __str__(self) -> str:
        parts = [self.file]
        for name in ("split", "row", "line", "key"):
            value = getattr(self, name)
            if value is not None:
                parts.append(f"{name} {value}")
        return ", ".join(parts)


class RawRow(Struct, frozen=True):
    """One row as a reader yields it; `text` is its content as it stands in the file, cut to a few kB."""

    place: Place
    value: Value | Rejected
    text: str = ""

    def shown(self) -> str:
        """Return the content of the row for the log of rejections: as it stands there, or as JSON."""
        if self.text or isinstance(self.value, Rejected):
            return self.text
        return json.dumps(self.value, ensure_ascii=False, default=_shown_bytes)[:MAX_TEXT]


def _shown_bytes(value: Any) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else repr(value)


class Problem(Struct, frozen=True):
    """Something about the data that their owner should know.

    `reject`: no record is made of it; `count`: it is left out on purpose; `warn`: a record is made.
    """

    place: Place
    severity: Literal["reject", "count", "warn"]
    reason: Reason | str
    message: str


class Mapped(Struct, kw_only=True):
    """One example to be, made of a row by a definition; images are still as the row names them.

    `part` tells the examples of a row apart (`turn2`, `3`, `Question 10`); `fields` are typed fields of
    `datagen.schema.example.Example`. An item of `images` is a path or a URL, or a mapping with `bytes`,
    `path` or both. `split` is the definition's split, of which a hold-out may still take a
    share, by `hold_out_key` if it does not go by the image. `row` is the row with what was joined to it and
    decoded in it, or the part of it that the example is made of: paths are made of its columns.
    """

    fields: dict[str, Any]
    images: list[Any]
    part: str | None = None
    video: str | None = None
    clip: tuple[float, float] | None = None
    native_id: str | None = None
    group: str | None = None
    split: str = "train"
    hold_out_key: str | None = None
    tags: dict[str, str] | None = None
    row: Value = {}
