"""Reads the rows of one window, each decoded as its adapter wants it or rejected with the reason."""

import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

import msgspec

from datagen.errors import RawDataError, Reason
from datagen.files import Files
from datagen.raw.gather import open_raw
from datagen.raw.json_index import BRACKETS, DECODING_ERRORS, Row, Window, split_rows
from datagen.raw.line_index import decode_record, decode_text, read_header, split_lines
from datagen.schema.adapter import Kind, Rejected


class WindowRows:
    """The rows of one window of a file.

    `values[i]` is row i decoded as `row_type`, or a `Rejected`; `keys[i]` its key where the container
    is an object.
    """

    def __init__(self, files: Files, path: str, kind: Kind, window: Window, row_type: Any) -> None:
        self.path, self.kind, self.window = path, kind, window
        with open_raw(files, path) as file:
            file.seek(window.start)
            self.data = file.read(window.end - window.start)
            self.header = read_header(file) if kind == "csv" else []
        try:
            self.values, self.keys = self._decode(row_type)
        except ValueError:  # the brackets do not match
            self.values, self.keys = (), ()
        if len(self.values) != window.rows:
            raise RawDataError(
                f"{path} changed during the build: {len(self.values)} rows instead of {window.rows} at "
                f"byte {window.start}; start the build again"
            )

    def _decode(self, row_type: Any) -> tuple[Sequence[Any], Sequence[str | None]]:
        if self.kind == "csv":
            return [decode_record(row.raw, self.header, row_type) for row in self.rows], ()
        if self.kind == "text":
            return [decode_text(row.raw) for row in self.rows], ()
        if self.kind == "lines":
            return self._decode_lines(row_type), ()
        opener, closer = BRACKETS[self.kind]
        try:
            decoded = _decoder(self.kind, row_type).decode(opener + self.data + closer)
        except DECODING_ERRORS:
            decoded = ()
        if len(decoded) == self.window.rows:  # fewer: an object repeats a key
            if self.kind == "array":
                return decoded, ()
            return list(decoded.values()), list(decoded)
        values = [decode_row(bytes(row.raw), row_type) for row in self.rows]
        return values, [row.key for row in self.rows]

    def _decode_lines(self, row_type: Any) -> Sequence[Any]:
        try:
            decoded: Sequence[Any] = _row_decoder(row_type).decode_lines(self.data)
        except DECODING_ERRORS:
            decoded = ()
        if len(decoded) == self.window.rows:
            return decoded
        return [decode_row(row.raw, row_type) for row in self.rows]

    @cached_property
    def rows(self) -> list[Row]:
        """The rows' places and texts, in order."""
        return find_rows(self.data, self.kind, self.window.start)

    def key(self, index: int) -> str | None:
        return self.keys[index] if self.keys else None

    def text(self, index: int) -> str:
        """Row `index` as it stands in the file, for the rejection log."""
        return bytes(self.rows[index].raw).decode(errors="backslashreplace")


def find_rows(data: bytes, kind: Kind, start: int) -> list[Row]:
    """The rows of a window's bytes; `start` is the file offset of `data`."""
    find = split_lines if kind in ("lines", "csv", "text") else split_rows
    return find(data, kind, start)


@lru_cache(maxsize=64)
def _decoder(kind: Kind, row_type: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(list[row_type] if kind == "array" else dict[str, row_type])


@lru_cache(maxsize=64)
def _row_decoder(row_type: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(row_type)


def decode_rows(texts: Sequence[bytes], row_type: Any) -> Sequence[Any]:
    """Each text as `row_type`, or a `Rejected`; all in one call where none is at fault."""
    try:
        decoded: Sequence[Any] = _decoder("array", row_type).decode(b"[%b]" % b",".join(texts))
    except DECODING_ERRORS:
        decoded = ()
    if len(decoded) == len(texts):
        return decoded
    return [decode_row(text, row_type) for text in texts]


def decode_row(raw: bytes | msgspec.Raw, row_type: Any) -> Any:
    """One row as `row_type`, or a `Rejected`.

    What JSON forbids but Python's writers produce (NaN, raw control characters) is accepted.
    """
    try:
        return _row_decoder(row_type).decode(raw)
    except UnicodeDecodeError as error:
        return Rejected(Reason.INVALID_ENCODING, f"not UTF-8: {error.reason}")
    except msgspec.ValidationError as error:
        return Rejected(Reason.MALFORMED_ROW, str(error))
    except (msgspec.DecodeError, RecursionError) as error:
        message = str(error)
    try:
        lenient = json.loads(bytes(raw).decode(), strict=False)
        json.dumps(lenient, ensure_ascii=False).encode()
        return msgspec.convert(lenient, row_type)
    except UnicodeError:
        return Rejected(Reason.INVALID_ENCODING, "not valid Unicode: half of a surrogate pair")
    except msgspec.ValidationError as error:
        return Rejected(Reason.MALFORMED_ROW, str(error))
    except (ValueError, RecursionError):
        return Rejected(Reason.MALFORMED_ROW, message)
