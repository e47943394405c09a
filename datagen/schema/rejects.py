"""Rejected rows: which, where, why, and the row itself. Nothing is dropped in silence."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from datagen.errors import Reason
from datagen.schema.adapter import Origin


class Rejection(Struct, frozen=True, kw_only=True, omit_defaults=True):
    r"""One line of `rejected/<source>.jsonl`.

    `row` counts from 0 in the file's list of rows, `byte` is where the row begins; `content` is the
    row as it stands there, bytes that are not UTF-8 as `\xff`. Rows of own data have no `byte` but, where
    the format has them, the `line` from 1, the JSON `pointer`, and the `key` of a tar's sample.
    """

    source: str
    split: str
    file: str
    row: int | None
    byte: int | None
    reason: Reason
    message: str
    content: str
    line: int | None = None
    pointer: str | None = None
    key: str | None = None

    @property
    def place(self) -> str:
        """The place in words. Rows of own data, which have no `byte`, count from 1 as in `source check`."""
        if self.byte is not None:
            where = [f"byte {self.byte}" if self.row is None else f"row {self.row}"]
        else:
            where = [] if self.row is None else [f"row {self.row + 1}"]
            where += [
                f"{n} {v}" for n, v in (("line", self.line), ("key", self.key)) if v is not None
            ]
        return ", ".join([self.file, *where])


def rejection_at(
    origin: Origin, source: str, split: str, reason: Reason, message: str
) -> Rejection:
    """Return the rejection of a row of own data."""
    return Rejection(
        source=source,
        split=split,
        file=origin.file,
        row=origin.row,
        byte=None,
        reason=reason,
        message=message,
        content=origin.content,
        line=origin.line,
        pointer=origin.pointer,
        key=origin.key,
    )


def encode_rejections(rejections: Iterable[Rejection]) -> bytes:
    r"""JSON lines in ASCII, so that no U+2028 in a row is taken for the end of its line."""
    lines = [json.dumps(msgspec.to_builtins(rejection)) for rejection in rejections]
    return "".join(f"{line}\n" for line in lines).encode()


def decode_rejections(data: bytes) -> list[Rejection]:
    return [msgspec.json.decode(line, type=Rejection) for line in data.splitlines()]


def count_reasons(rejections: Iterable[Rejection]) -> dict[str, int]:
    return add_counts(Counter(rejection.reason.value for rejection in rejections))


def add_counts(*counts: Mapping[str, int]) -> dict[str, int]:
    """Return the sum of counts by name, in alphabetical order."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))
