"""Finds the rows of a publisher's file, however they lie in it."""

from collections.abc import Mapping
from typing import BinaryIO

from datagen.errors import RawDataError
from datagen.raw.forward_reader import DEFAULT_WINDOW_BYTES
from datagen.raw.json_index import JsonIndex, index_json
from datagen.raw.line_index import check_columns, index_lines
from datagen.schema.adapter import JsonPath, Lookup, Rows, Table


def index_file(
    file: BinaryIO,
    path: str,
    wanted: Mapping[JsonPath, Rows | Lookup | Table],
    window_bytes: int = DEFAULT_WINDOW_BYTES,
) -> JsonIndex:
    """Index a file and check that its rows lie as the adapters say.

    Raises:
        RawDataError: the file cannot be used, or is another one.
    """
    rows = {part: each for part, each in wanted.items() if not isinstance(each, Table)}
    kinds = {part: each.kind for part, each in rows.items()}
    match kinds.get(()):
        case "csv":
            check_columns(file, path, [each.row for each in rows.values()])
            file.seek(0)
            return index_lines(file, path, "csv", window_bytes)
        case "lines" | "text" as by_line:
            return index_lines(file, path, by_line, window_bytes)
    index = index_json(file, path, wanted, window_bytes)
    for part, kind in kinds.items():
        found = index.containers[part].kind
        if found != kind:
            place = f"for {'/'.join(part)!r}" if part else "as a whole"
            raise RawDataError(
                f"{path} has an {found} {place} where an {kind} of rows should be; is it another "
                "dataset's file, or another project's copy of this one? download the publisher's"
            )
    return index
