"""Examples as Arrow columns, a block at a time.

Nested columns are flattened before Arrow sees them: that is several times faster than handing it
lists of tuples.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import accumulate, chain
from operator import attrgetter, itemgetter
from typing import Any

import pyarrow as pa
from msgspec.structs import astuple

from datagen.schema.example import Example
from datagen.schema.record import EXAMPLE_COLUMNS, SCHEMA

CONSTANT_COLUMNS = ("source", "split", "task", "licence", "weight")
"""The same in every record of a split; added when the final file is written."""


def example_columns(examples: Sequence[Example]) -> dict[str, pa.Array]:
    """Return the typed fields of `examples` as columns; those that are null throughout are left out."""
    fields = zip(*map(astuple, examples), strict=True)
    by_name = dict(zip(Example.__struct_fields__, fields, strict=False))
    columns = {"record_id": pa.array(by_name.get("example_id", ()), pa.string())}
    for name in EXAMPLE_COLUMNS:
        values = by_name.get(name, ())
        if name not in CONSTANT_COLUMNS and values.count(None) < len(values):
            columns[name] = column(name, values)
    return columns


def column(name: str, values: Sequence[Any]) -> pa.Array:
    """Return one column of `SCHEMA` from Python values."""
    kind = SCHEMA.field(name).type
    if name == "tags":
        values = [None if tags is None else tags.items() for tags in values]
    if not pa.types.is_list(kind):
        return pa.array(values, kind)
    if pa.types.is_struct(kind.value_type):
        return list_column(values, _struct_builder(kind.value_type))
    return list_column(values, lambda items: pa.array(items, kind.value_type))


def list_column(
    lists: Sequence[Collection[Any] | None], build: Callable[[list[Any]], pa.Array]
) -> pa.Array:
    """Return a list column; `build` makes one array of all its values, one after the other."""
    present = [items for items in lists if items is not None]
    ends = accumulate(map(len, present), initial=0)
    if len(present) == len(lists):
        offsets: list[int | None] = list(ends)
    else:
        offsets = [None if items is None else next(ends) for items in lists]
        offsets.append(next(ends))
    values = build(list(chain.from_iterable(present)))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _struct_builder(kind: pa.StructType) -> Callable[[list[Any]], pa.Array]:
    fields = list(kind)

    def build(items: list[Any]) -> pa.Array:
        if items and isinstance(items[0], tuple):
            parts = [map(itemgetter(place), items) for place in range(len(fields))]
        else:
            parts = [map(attrgetter(field.name), items) for field in fields]
        arrays = [pa.array(part, field.type) for part, field in zip(parts, fields, strict=True)]
        return pa.StructArray.from_arrays(arrays, fields=fields)

    return build
