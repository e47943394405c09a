"""The columns of a mirror's files, compared with those that were seen."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.errors import RawDataError
from datagen.files import Files
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.readers.files import DataFile
from datagen.sources.declared.readers.read import read_rows

NUM_ROWS = 100
"""Of a JSON file, whose rows are looked at for their keys."""

Types: TypeAlias = Mapping[str, str | None]


def differences(
    definition: Definition,
    data_file: DataFile,
    files: Files,
    expected: Types,
    *,
    all_columns: bool = False,
) -> Iterator[str]:
    """Yield how the columns of a data file differ from those expected: missing, of another type, or new.

    New ones count with `all_columns` alone. Of JSON files the names are compared.

    Raises:
        RawDataError: the file cannot be read.
    """
    if data_file.format == "parquet":
        found: dict[str, str | None] = dict(parquet_types(files, data_file))
    else:
        found = dict.fromkeys(_keys(definition, data_file, files))
        if not found:
            return
    for name, kind in expected.items():
        if name not in found:
            yield f"lacks {name}" + (f" ({kind})" if kind else "")
        elif not _fits(found[name], kind):
            yield f"{name} is {found[name]}, not {kind}"
    if all_columns:
        for name in found.keys() - expected.keys():
            yield f"{name} is new" + (f" ({found[name]})" if found[name] else "")


def parquet_types(files: Files, data_file: DataFile) -> Iterator[tuple[str, str]]:
    """Yield the columns of a Parquet file with their types, in the words of the mirrors' files.

    Raises:
        RawDataError: it is no Parquet file.
    """
    try:
        with files.open_binary(data_file.path) as file:
            schema = pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise RawDataError(f"{data_file.name} is no Parquet file, or is cut off: {error}") from None
    features = _features(schema)
    for field in schema:
        feature = features.get(field.name)
        if isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel":
            yield field.name, f"class label [{', '.join(map(str, feature['names']))}]"
        else:
            yield field.name, type_name(field.type)


def num_rows(files: Files, data_file: DataFile) -> int:
    """Return the number of rows of a Parquet file, by its footer."""
    with files.open_binary(data_file.path) as file:
        return int(pq.read_metadata(file).num_rows)


def type_name(kind: pa.DataType) -> str:
    """Return a type as the mirrors' files write it, the fields of a structure sorted.

    Examples:
        >>> type_name(pa.list_(pa.struct({"word": pa.string(), "at": pa.int64()})))
        'list of {at: int64, word: string}'
    """
    types = pa.types
    if types.is_dictionary(kind):
        return type_name(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return f"list of {type_name(kind.value_type)}"
    if types.is_struct(kind):
        fields = {field.name: type_name(field.type) for field in kind}
        if fields == {"bytes": "binary", "path": "string"}:
            return "image"
        return "{" + ", ".join(f"{name}: {fields[name]}" for name in sorted(fields)) + "}"
    plain = {"large_string": "string", "string_view": "string", "large_binary": "binary",
             "double": "float64", "float": "float32"}  # fmt: skip
    return plain.get(str(kind), str(kind))


def _fits(found: str | None, expected: str | None) -> bool:
    """Return True if a type is the expected one; `int` and `list` stand for any of their kind."""
    if found is None or expected is None or found == expected:
        return True
    if expected == "int":
        return found.startswith(("int", "uint"))
    return expected == "list" and found.startswith("list of ")


def _features(schema: pa.Schema) -> Mapping[str, Any]:
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _keys(definition: Definition, data_file: DataFile, files: Files) -> list[str]:
    rows = islice(read_rows(files, definition, data_file, lambda problem: None), NUM_ROWS)
    values = [row.value for row in rows if not isinstance(row.value, Rejected)]
    return list(dict.fromkeys(key for value in values for key in value))
