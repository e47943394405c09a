"""Values of Arrow tables as plain Python values; a label of the Hub is its name, not its number."""

import datetime
import decimal
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

_Convert: TypeAlias = Callable[[Any], Any]


class RowConverter:
    """Turns record batches into rows.

    `features` are those that `datasets` keeps beside the table, or else inside its schema: of them come
    the names of labels, also of those in lists and structures. A label of -1 is None.
    """

    def __init__(self, schema: pa.Schema, features: Mapping[str, Any] | None = None) -> None:
        features = features or _features(schema)
        self._converts: list[tuple[str, _Convert]] = []
        for field in schema:
            convert = _labels(features.get(field.name))
            if convert is None and _is_short_float(field.type):
                convert = _short
            if convert is None and not _is_plain(field.type):
                convert = plain
            if convert is not None:
                self._converts.append((field.name, convert))

    def rows(self, batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
        """Yield the rows of a batch."""
        for row in batch.to_pylist(maps_as_pydicts="lossy"):
            for name, convert in self._converts:
                row[name] = convert(row[name])
            yield row


def named_labels(row: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with the names of labels that `features` have; digits are numbers, as in a CSV."""
    found = dict(row)
    for name, feature in features.items():
        convert = _labels(feature)
        value = found.get(name)
        if convert is not None and value is not None:
            digits = isinstance(value, str) and value.strip().isdecimal()
            found[name] = convert(int(value) if digits else value)
    return found


def _features(schema: pa.Schema) -> Mapping[str, Any]:
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _labels(feature: Any) -> _Convert | None:
    """Return the conversion of a feature that has labels somewhere in it, or None."""
    if isinstance(feature, list) and feature:
        return _each(_labels(feature[0]))
    if not isinstance(feature, Mapping):
        return None
    kind = feature.get("_type")
    if kind == "ClassLabel":
        names = list(feature.get("names") or ())
        return lambda value: _name(names, value)
    if kind in ("Sequence", "List", "LargeList", "LargeSequence"):
        inner = feature.get("feature")
        return _each(_labels(inner)) or _members(inner)
    return _members(feature) if kind is None else None


def _name(names: list[str], value: Any) -> Any:
    if not isinstance(value, int):
        return plain(value)
    return names[value] if 0 <= value < len(names) else None


def _each(convert: _Convert | None) -> _Convert | None:
    if convert is None:
        return None

    def of_list(value: Any) -> Any:
        return [convert(each) for each in value] if isinstance(value, list) else convert(value)

    return of_list


def _members(features: Any) -> _Convert | None:
    """Return the conversion of a structure; a `Sequence` of one is a structure of lists."""
    if not isinstance(features, Mapping):
        return None
    converts = {
        name: convert for name, each in features.items() if (convert := _labels(each)) is not None
    }
    if not converts:
        return None

    def of_structure(value: Any) -> Any:
        if not isinstance(value, dict):
            return plain(value)
        return {
            name: (_each(converts[name]) or plain)(each) if name in converts else plain(each)
            for name, each in value.items()
        }

    return of_structure


def _is_plain(kind: pa.DataType) -> bool:
    """Return True if values of a type are those of JSON or bytes as they come."""
    types = pa.types
    if types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _is_plain(kind.value_type)
    if types.is_struct(kind):
        return all(_is_plain(kind.field(index).type) for index in range(kind.num_fields))
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_integer(kind)
        or types.is_float32(kind)
        or types.is_float64(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
    )


def _is_short_float(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_short_float(kind.value_type)
    return bool(pa.types.is_float32(kind))


def _short(value: Any) -> Any:
    """Return a number of 32 bits with the digits that it has: 0.1 is not 0.10000000149011612."""
    if isinstance(value, list):
        return [_short(each) for each in value]
    return value if value is None else float(str(np.float32(value)))


def plain(value: Any) -> Any:
    """Return a value as JSON has it: decimals as they are written, dates and times in ISO 8601."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta | uuid.UUID):
        return str(value)
    if hasattr(value, "item"):  # a NumPy number
        return value.item()
    return value
