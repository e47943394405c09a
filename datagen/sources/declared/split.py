"""Splits: which split of a source a row belongs to.

It follows, in this order, from the column of the split, from lists of a split's members, or from the
file; a row of which none of these says anything is in `train`. A hold-out then takes a share of `train`.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from datagen.errors import RawDataError, Reason, RowRejectedError, UserError
from datagen.files import Files, LocalFiles
from datagen.sources.declared.columns import Column
from datagen.sources.declared.definition import Definition, SplitList
from datagen.sources.declared.row import Mapped, Place, Problem, Value
from datagen.sources.declared.values import key_of, shown

TRAIN = "train"
IMAGE = "image"


class SplitRule:
    """Tells the split of rows by a definition. Lists of members are read whole, when they are needed.

    Raises:
        ColumnError: the name of a column cannot be read.
        UserError: `splits` names one value twice, or mixes lists with values.
        RawDataError: a list of members cannot be read.
    """

    def __init__(
        self,
        definition: Definition,
        files: Files | None = None,
        report: Callable[[Problem], None] = lambda problem: None,
    ) -> None:
        self.definition = definition
        named = definition.columns.split
        self._column = None if named is None else Column(named)
        self._split_of_value = _values(definition)
        lists = {
            name: each for name, each in definition.splits.items() if isinstance(each, SplitList)
        }
        if lists and self._split_of_value:
            raise UserError("splits: give either values of the split's column or lists, not both")
        self._members = _members(definition.base, lists, files or LocalFiles(), report)
        self._listed = [Column(_expression(each.column, definition)) for each in lists.values()][:1]
        hold_out = definition.hold_out
        by = IMAGE if hold_out is None else hold_out.by
        self.hold_out_column = None if by == IMAGE else Column(_expression(by, definition))

    def named(self, row: Value, file_split: str | None) -> str:
        """Return the split that a row, or else its file, names.

        Raises:
            RowRejectedError: it names none that the definition knows.
        """
        if self._column is not None:
            return self._of_column(self._column, row)
        if self._listed:
            return self._of_list(self._listed[0], row)
        if file_split is None:
            return TRAIN
        return self._split_of_value.get(file_split, file_split)

    def named_or_none(self, row: Value | None, file_split: str | None) -> str | None:
        """Return the split that a row which cannot be used names, None where it names none."""
        if row is not None:
            try:
                return self.named(row, file_split)
            except RowRejectedError:
                return None
        return None if file_split is None else self._split_of_value.get(file_split, file_split)

    def hold_out_key(self, row: Value, split: str) -> str | None:
        """Return the value that a hold-out goes by, None where it goes by the image or takes none of `split`.

        Raises:
            RowRejectedError: the row has no value, so that it might be on both sides.
        """
        column = self.hold_out_column
        if column is None or split != TRAIN:
            return None
        value = key_of(column.get(row), column.expression)
        if value is None:
            message = f"{column.expression} has no value, by which hold_out chooses the row's split"
            raise RowRejectedError(Reason.UNKNOWN_SPLIT, message)
        return value

    def split_of(self, mapped: Mapped, image: str, file_split: str | None = None) -> str:
        """Return the split of a mapped row, of which a hold-out may take its share.

        Rows with the same `image` are in the same split, and so are those with the same bytes.
        """
        hold_out = self.definition.hold_out
        if hold_out is None or mapped.split != TRAIN:
            return mapped.split
        key = mapped.hold_out_key
        data = image.encode("utf-8", "surrogateescape") if key is None else key.encode()
        if key is None and mapped.images and isinstance(mapped.images[0], Mapping):
            data = mapped.images[0].get("bytes") or data
        return hold_out.split if _share(data, hold_out.seed) < hold_out.share else TRAIN

    def _of_column(self, column: Column, row: Value) -> str:
        value = key_of(column.get(row), column.expression)
        if value is None:
            message = f"{column.expression} is empty, so the row has no split"
            raise RowRejectedError(Reason.UNKNOWN_SPLIT, message)
        known = self._split_of_value
        if not known:
            return value
        if value not in known:
            message = f"{column.expression} is {shown(value)}, known are {', '.join(known)}"
            raise RowRejectedError(Reason.UNKNOWN_SPLIT, message)
        return known[value]

    def _of_list(self, column: Column, row: Value) -> str:
        value = key_of(column.get(row), column.expression)
        split = self._members.get(value or "")
        if split is None:
            names = ", ".join(
                each.list for each in self.definition.splits.values() if isinstance(each, SplitList)
            )
            message = f"{column.expression} is {shown(value)}, which is in none of {names}"
            raise RowRejectedError(Reason.UNKNOWN_SPLIT, message)
        return split


def split_of_file(definition: Definition, name: str) -> str:
    """Return the split that a file's own split, such as `validation`, is called in the definition."""
    return _values(definition).get(name, name)


def _share(data: bytes, seed: int) -> float:
    """Return a number from 0 up to 1 that follows from `data` and `seed` alone."""
    key = seed.to_bytes(16, "little", signed=True)
    digest = hashlib.blake2b(data, digest_size=8, key=key).digest()
    return int.from_bytes(digest, "little") / 2**64


def _expression(name: str, definition: Definition) -> str:
    """Return the expression behind a key of `columns`, or `name` itself as one."""
    named: Any = getattr(definition.columns, name, None)
    return named if isinstance(named, str) else name


def _values(definition: Definition) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for split, values in definition.splits.items():
        if isinstance(values, SplitList):
            continue
        for value in [values] if isinstance(values, str) else values:
            if found.setdefault(value.strip(), split) != split:
                raise UserError(
                    f"splits: the value {value!r} is given for {found[value]} and {split}"
                )
    return found


def _members(
    base: str, lists: Mapping[str, SplitList], files: Files, report: Callable[[Problem], None]
) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for split, each in lists.items():
        for number, line in enumerate(_lines(f"{base}/{each.list}", files), start=1):
            name = line.strip()
            if not name:
                continue
            before = found.setdefault(name, split)
            if before != split:
                place = Place(each.list, row=number, line=number)
                message = f"{name} is listed for {split} and for {before}, where it stays"
                report(Problem(place, "warn", "leakage", message))
    return found


def _lines(path: str, files: Files) -> list[str]:
    try:
        with files.open_binary(path) as file:
            return file.read().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise RawDataError(f"{path} is not UTF-8 at its byte {error.start}") from None
    except OSError as error:
        raise RawDataError(
            f"{path}, a list of a split's members, cannot be read: {error}"
        ) from None
