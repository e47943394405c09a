"""Declarations of a source adapter: its card, its files by split, and how a row becomes examples.

An adapter is one module in `datagen/sources/` that holds a `SOURCE`. It names the file whose rows are
its examples, the files that are joined to it, and a pure function from one typed row to examples;
finding, decoding, joining, counting and rejecting are done for it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeAlias

from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.card import SourceCard
from datagen.schema.example import Example

JsonPath: TypeAlias = tuple[str, ...]
"""Keys that lead from a document's root to a container of rows."""

Kind: TypeAlias = Literal["array", "object", "lines", "csv", "text"]
"""Layout of rows in a file; `datagen.raw.line_index` finds those that are lines."""


class Filtered(Struct, frozen=True):
    """A sound row that is left out on purpose, such as a question without an image."""

    reason: str


class Rejected(Struct, frozen=True):
    """One part of a row that cannot be used while its other parts can."""

    reason: Reason
    message: str


Outcome: TypeAlias = Example | Filtered | Rejected


class MediaFinder(Protocol):
    """Looks on disk, for the few sources whose rows do not say where their image is."""

    def first_existing(self, *paths: str) -> str:
        """Return the first of these media paths that exists, or the first if none does."""

    def find_existing(self, *paths: str) -> str | None:
        """Return the first of these media paths that exists, under any suffix of images, or None."""


class RowContext(Struct):
    """The context of a row: everything else that an adapter may use."""

    source: str
    split: str
    hidden_answers: bool
    tables: Mapping[str, Any]
    media: MediaFinder
    row_number: int = 0  # counted from 0 within the file
    key: str | None = None  # of the row, where rows are the members of an object
    found: Mapping[str, Sequence[Any]] = MappingProxyType({})

    def example_id(self, native_id: object) -> str:
        return f"{self.source}/{self.split}/{native_id}"

    def one(self, lookup: str, reason: Reason = Reason.NO_ANNOTATION) -> Any:
        """Return the row of `lookup` that belongs to this row.

        Raises:
            RowRejectedError: there is none, or it cannot be decoded.
        """
        rows = self.found[lookup]
        if not rows:
            raise RowRejectedError(reason, f"no row of {lookup} belongs to this row")
        if isinstance(rows[0], Rejected):
            raise RowRejectedError(rows[0].reason, f"its row of {lookup}: {rows[0].message}")
        return rows[0]

    def many(self, lookup: str) -> Sequence[Any]:
        """All rows of `lookup` that belong to this row.

        Raises:
            RowRejectedError: one of them cannot be decoded.
        """
        rows = self.found[lookup]
        for row in rows:
            if isinstance(row, Rejected):
                raise RowRejectedError(row.reason, f"its row of {lookup}: {row.message}")
        return rows


Examples: TypeAlias = Callable[[Any, RowContext], Iterator[Outcome]]


class Origin(Struct, frozen=True):
    """The place of a row in its owner's file, where the rows that are read were made from that file.

    `row` counts from 0, `line` from 1. `content` is the row as it stands there.
    """

    file: str
    row: int | None
    line: int | None
    pointer: str | None
    key: str | None
    content: str


@dataclass(frozen=True)
class Rows:
    """The file whose rows become examples, decoded as `row` (a msgspec Struct or plain type).

    They are a JSON array at `path`, or, by `kind`, an "object" where each row has a name, JSON "lines",
    the records of a "csv" file, or the lines of a "text" file, as they stand there (`str`, blank ones
    left out), for an adapter that takes them apart itself. A `*` in `file` gathers many files, each a row with its `path` and
    its content as `row`. Where one file holds several splits, `split_of` tells a row's split, None if
    the row names none that is known. `origin` tells where a row came from that is not the publisher's.
    """

    file: str
    row: Any
    path: JsonPath = ()
    kind: Kind = "array"
    split_of: Callable[[Any], str | None] | None = None
    origin: Callable[[Any], Origin] | None = None

    def __post_init__(self) -> None:
        if self.kind == "text" and self.row is not str:
            raise ValueError(f"{self.file}: rows of kind 'text' are str, not {self.row!r}")


@dataclass(frozen=True)
class Lookup:
    """Rows of another file, found by `key`; asked for with the driving row's field `by`.

    `many` keeps all rows of a key; otherwise the first is used and the others are rejected as
    duplicates. `orphans` rejects rows that no driving row asks for. Without its file, a lookup that
    is not `required` finds nothing. In an "object", the names of the rows are
    their keys; "csv" and "text" files cannot be looked up, and rows of text look nothing up.
    """

    file: str
    row: Any
    key: str
    by: str
    path: JsonPath = ()
    kind: Kind = "array"
    many: bool = False
    orphans: Reason | None = None
    required: bool = True


@dataclass(frozen=True)
class Table:
    """A small file, or the part of a JSON document at `path`, that each worker loads whole.

    `load` turns its bytes into what `RowContext.tables` holds; ValueErrors of it are reported with
    the file's name.
    """

    file: str
    load: Callable[[bytes], Any]
    path: JsonPath | None = None


@dataclass(frozen=True)
class SplitFiles:
    """The files of one split in one of its official layouts, `layout_name`."""

    split: str
    rows: Rows
    examples: Examples
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    hidden_answers: bool = False
    layout_name: str = "official"

    def __post_init__(self) -> None:
        if self.rows.kind == "text" and self.lookups:
            raise ValueError(f"{self.rows.file}: rows of kind 'text' have no field to look up by")

    def files(self) -> tuple[str, ...]:
        """Names of the files that the split cannot be read without, each once."""
        lookups = [lookup.file for lookup in self.lookups.values() if lookup.required]
        tables = [table.file for table in self.tables.values()]
        return tuple(dict.fromkeys([self.rows.file, *lookups, *tables]))

    def optional_files(self) -> tuple[str, ...]:
        """Names of the files that are read if they are there."""
        lookups = [lookup.file for lookup in self.lookups.values() if not lookup.required]
        return tuple(dict.fromkeys(lookups))


@dataclass(frozen=True)
class Vocabulary:
    """The closed list of answers that predictions are ranked over: from rows of the training file.

    `answers` are those of one row, blank ones left out later; an answer counts as a candidate if it
    occurs at least `min_count` times over all rows.
    """

    rows: Rows
    answers: Callable[[Any], Iterable[str]]
    min_count: int = 1


@dataclass(frozen=True)
class Source:
    """A source: one of the 26, or one that a user declared.

    Of several layouts of a split, the first complete one is read. The files of a declared source are
    made by the build, `in_staging`; all others lie in the raw folder.
    """

    card: SourceCard
    splits: tuple[SplitFiles, ...]
    vocabulary: Vocabulary | None = None
    in_staging: bool = False

    @property
    def id(self) -> str:
        return self.card.id

    def split_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(files.split for files in self.splits))
