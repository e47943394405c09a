"""Index of the rows of a large JSON document, made in bounded memory.

A publisher's file is often one JSON document of hundreds of megabytes, such as
`{"info": {..}, "annotations": [{..}, {..}, ..]}`. It is read once, and each wanted array or object is
cut into *windows*: byte ranges of complete rows, about `window_bytes` long, which workers read and
decode independently. Where a window ends is guessed from the first key of a row, and confirmed: the
text up to there must parse as a list. If it does not, a slower scan of brackets and strings finds the
rows, so that a corrupt row is rejected alone and not with its file.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import msgspec
import pyarrow as pa

from datagen.errors import RawDataError
from datagen.raw.forward_reader import DEFAULT_WINDOW_BYTES, SPACE, ForwardReader
from datagen.schema.adapter import JsonPath, Kind

MAX_ROW_BYTES = 256 << 20
MAX_SHOWN_MEMBERS = 8
BRACKETS: Mapping[Kind, tuple[bytes, bytes]] = {"array": (b"[", b"]"), "object": (b"{", b"}")}

DECODING_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Errors that msgspec raises on text that is not JSON, not UTF-8, or nested too deeply."""

_CLOSERS = {ord("["): ord("]"), ord("{"): ord("}")}
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(")?|[][{},]', re.DOTALL)
_KEY = re.compile(rb'\s*("(?:[^"\\]|\\.)*+")\s*:\s*', re.DOTALL)
_BEFORE_FIRST = re.compile(rb'\{\s*"(?:[^"\\]|\\.)*+"\s*:\s*', re.DOTALL)
_BETWEEN = re.compile(rb'\s*,\s*"(?:[^"\\]|\\.)*+"\s*:\s*', re.DOTALL)
_FIRST_KEY = re.compile(
    rb'\s*(?:"(?:[^"\\]|\\.)*+"\s*:\s*)?\{\s*("(?:[^"\\]|\\.)*+")\s*:', re.DOTALL
)
_SCALAR = re.compile(rb'"(?:[^"\\]|\\.)*+"|[^][{},"\s]+', re.DOTALL)
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_DECODERS: Mapping[Kind, msgspec.json.Decoder[Any]] = {
    "array": msgspec.json.Decoder(list[msgspec.Raw]),
    "object": msgspec.json.Decoder(dict[str, msgspec.Raw]),
}


@dataclass(frozen=True)
class Window:
    """Complete rows of one container: bytes `start` to `end` of the file, brackets excluded."""

    start: int
    end: int
    rows: int


@dataclass(frozen=True)
class Container:
    """An array or object, or a file of lines, and its rows: bytes `start` to `end`, brackets included."""

    kind: Kind
    start: int
    end: int
    windows: tuple[Window, ...]

    @property
    def rows(self) -> int:
        return sum(window.rows for window in self.windows)

    @property
    def num_bytes(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class JsonIndex:
    """Places of the wanted containers of one document; `sha256` is of the whole file."""

    num_bytes: int
    sha256: str
    containers: Mapping[JsonPath, Container]


class Row(NamedTuple):
    """One row of a container: its offset in the file, its text, and its key if the container is an object."""

    start: int
    raw: bytes | msgspec.Raw
    key: str | None = None


def index_json(
    file: BinaryIO,
    name: str,
    wanted: Collection[JsonPath],
    window_bytes: int = DEFAULT_WINDOW_BYTES,
) -> JsonIndex:
    """Index the containers at the `wanted` paths of the document in `file`.

    Args:
        file: the document, read once from its start.
        name: the file's name in messages.
        wanted: paths of member names; `()` is the document itself.
        window_bytes: approximate size of a window; the peak memory is a few times that.

    Raises:
        RawDataError: the file is empty, truncated, not JSON, or lacks a wanted path.

    Examples:
        >>> import io
        >>> document = io.BytesIO(b'{"info": {}, "questions": [{"id": 1}, {"id": 2}]}')
        >>> index_json(document, "questions.json", [("questions",)]).containers[("questions",)].rows
        2
    """
    reader = ForwardReader(file, name, window_bytes)
    walker = _Walker(reader, frozenset(wanted))
    walker.document()
    for path in sorted(wanted):
        if path not in walker.found:
            raise RawDataError(
                f"{name} has no member {'/'.join(path)!r} but {walker.shown_members(path)}; is it "
                "another dataset's file?"
            )
    return JsonIndex(reader.num_bytes, reader.digest.hexdigest(), walker.found)


def split_rows(data: bytes, kind: Kind, start: int = 0) -> list[Row]:
    """Return the rows of a window's bytes; `start` is the file offset of `data`.

    Rows that are not valid JSON are returned too, if their brackets balance.
    """
    opener, closer = BRACKETS[kind]
    text = opener + data + closer
    try:
        items = _DECODERS[kind].decode(text)
    except DECODING_ERRORS:
        items = None
    if items is not None:
        rows = _rows_of(text, items, start - 1)
        if rows is not None:
            return rows
    elements, _ = _scan(text, 1)
    return [_row(text, kind, begin, end, start - 1) for begin, end in elements]


def _rows_of(
    text: bytes, items: list[msgspec.Raw] | dict[str, msgspec.Raw], shift: int
) -> list[Row] | None:
    """Return rows with the offsets of their bytes in `text` plus `shift`; None if the object repeats a key."""
    base = pa.py_buffer(text).address
    if isinstance(items, list):
        return [Row(pa.py_buffer(raw).address - base + shift, raw) for raw in items]
    rows: list[Row] = []
    previous_end = 0
    for key, raw in items.items():
        buffer = pa.py_buffer(raw)
        begin = buffer.address - base
        before = _BETWEEN if rows else _BEFORE_FIRST
        if begin < previous_end or not before.fullmatch(text, previous_end, begin):
            return None
        previous_end = begin + buffer.size
        rows.append(Row(begin + shift, raw, key))
    if rows and text[previous_end:-1].strip(SPACE):
        return None
    return rows


def _row(text: bytes, kind: Kind, begin: int, end: int, shift: int) -> Row:
    if kind == "array":
        return Row(begin + shift, text[begin:end])
    match = _KEY.match(text, begin, end)
    if match is None:
        return Row(begin + shift, text[begin:end], None)
    return Row(match.end() + shift, text[match.end() : end], _unquoted(match[1]))


def _unquoted(text: bytes) -> str | None:
    try:
        return msgspec.json.decode(text, type=str)
    except DECODING_ERRORS:
        return None


def _scan(text: bytes, position: int) -> tuple[list[tuple[int, int]], int | None]:
    """Find the elements of a container from `position` on, by its brackets, commas and strings alone.

    Returns (begin, end) of each complete element, and the position of the container's closing bracket;
    None for that if `text` ends before it.

    Raises:
        ValueError: brackets do not match; its argument is the position.
    """
    elements: list[tuple[int, int]] = []
    stack: list[int] = []
    begin = position
    for match in _TOKEN.finditer(text, position):
        token = text[match.start()]
        if token == ord('"'):
            if match[1] is None:
                break
        elif token in _CLOSERS:
            stack.append(_CLOSERS[token])
        elif token == ord(",") and stack:
            pass
        elif stack and token == stack[-1]:
            stack.pop()
        elif stack:
            raise ValueError(match.start())
        else:
            _append(elements, text, begin, match.start())
            begin = match.end()
            if token != ord(","):
                return elements, match.start()
    return elements, None


def _append(elements: list[tuple[int, int]], text: bytes, begin: int, end: int) -> None:
    while begin < end and text[begin] in SPACE:
        begin += 1
    while end > begin and text[end - 1] in SPACE:
        end -= 1
    if begin < end:
        elements.append((begin, end))


class _Walker:
    """Reads a document from its start, and cuts the wanted containers into windows."""

    def __init__(self, reader: ForwardReader, wanted: frozenset[JsonPath]) -> None:
        self.reader, self.wanted = reader, wanted
        self.found: dict[JsonPath, Container] = {}
        self.names: dict[JsonPath, list[str]] = {}  # of the members of objects on the way

    def document(self) -> None:
        """Read the whole document; refuse text after its end."""
        self.value(())
        try:
            self.reader.peek()
        except RawDataError:
            return
        raise self.reader.error("has text after its end")

    def shown_members(self, path: JsonPath) -> str:
        """Return the names at the place where the way to a missing `path` ends."""
        length = max((n for n in range(len(path)) if path[:n] in self.names), default=0)
        names = self.names.get(path[:length], [])
        if length + 1 < len(path) and path[length] in names:
            return f"{'/'.join(path[: length + 1])!r} is no object"
        shown = ", ".join(names[:MAX_SHOWN_MEMBERS]) or "no members"
        if len(names) > MAX_SHOWN_MEMBERS:
            shown += ", .."
        return shown if length == 0 else f"{shown} in {'/'.join(path[:length])!r}"

    def value(self, path: JsonPath) -> None:
        """Read the value at `path`: index it, search its members for wanted ones, or skip it."""
        first = self.reader.peek()
        inside = any(wanted[: len(path)] == path and wanted != path for wanted in self.wanted)
        if path in self.wanted:
            if first not in b"[{":
                raise self.reader.error(
                    f"has no array or object for {'/'.join(path) or 'its rows'}"
                )
            kind: Kind = "array" if first == ord("[") else "object"
            start = self.reader.offset()
            windows = tuple(self.container(kind))
            self.found[path] = Container(kind, start, self.reader.offset(), windows)
        elif inside and first == ord("{"):
            self.members(path)
        elif first == ord("["):
            for _ in self.container("array"):
                pass
        elif first == ord("{"):
            for _ in self.container("object"):
                pass
        else:
            self.scalar()

    def members(self, path: JsonPath) -> None:
        """Read the members of an object that contains a wanted container."""
        reader = self.reader
        names = self.names.setdefault(path, [])
        reader.take(b"{")
        if reader.take(b"}"):
            return
        while True:
            reader.peek()
            reader.fill(1 << 12)
            match = _KEY.match(reader.buffer, reader.position)
            if match is None:
                raise reader.error("is not JSON: a member name is expected")
            name = _unquoted(match[1]) or match[1][1:-1].decode(errors="replace")
            reader.position = match.end()
            if len(names) <= MAX_SHOWN_MEMBERS:
                names.append(name)
            self.value((*path, name))
            if reader.take(b"}"):
                return
            if not reader.take(b","):
                raise reader.error("is not JSON: a comma is expected")

    def scalar(self) -> None:
        """Skip a string, number, true, false or null."""
        reader = self.reader
        size = reader.window_bytes
        while True:
            reader.fill(size)
            match = _SCALAR.match(reader.buffer, reader.position)
            if match is not None and (match.end() < len(reader.buffer) or reader.at_end):
                reader.position = match.end()
                return
            if reader.at_end:
                raise reader.error("is not JSON")
            size *= 2

    def container(self, kind: Kind) -> Iterator[Window]:
        """Yield the windows of the container at the reader's position, while reading past it."""
        reader = self.reader
        opener, closer = BRACKETS[kind]
        reader.take(opener)
        begins: re.Pattern[bytes] | None = None
        while not reader.take(closer):
            reader.fill(reader.window_bytes)
            if begins is None:
                begins = _row_beginning(reader.buffer, reader.position, kind)
            length, rows = self._window(kind, begins)
            start = reader.offset()
            yield Window(start, start + length, rows)
            reader.position += length
            if not reader.take(b",") and reader.peek() != closer[0]:
                raise reader.error("is not JSON: a comma or closing bracket is expected")

    def _window(self, kind: Kind, begins: re.Pattern[bytes] | None) -> tuple[int, int]:
        """Return the number of bytes from the position on that are complete rows, and the number of rows."""
        reader = self.reader
        opener, closer = BRACKETS[kind]
        rest = len(reader.buffer) - reader.position
        guess = None if reader.at_end else _last_cut(reader.buffer, reader.position, begins)
        lengths = [rest] if guess is None else [guess, rest]
        for length in lengths:
            text = opener + reader.buffer[reader.position : reader.position + length]
            counted = _count(text + closer if length == guess else text, kind)
            if counted is not None:
                return counted
        return self._window_by_structure(kind)

    def _window_by_structure(self, kind: Kind) -> tuple[int, int]:
        """Return what `_window` returns, for text that does not parse."""
        reader = self.reader
        size = reader.window_bytes
        while True:
            try:
                elements, closing = _scan(reader.buffer, reader.position)
            except ValueError as error:
                reader.position = error.args[0]
                raise reader.error("is not JSON: its brackets do not match") from None
            if closing is not None:
                return closing - reader.position, len(elements)
            if elements and not reader.at_end:
                return elements[-1][1] - reader.position, len(elements)
            if reader.at_end:
                reader.position = len(reader.buffer)
                raise reader.error(
                    f"is cut off inside its {kind}, after {len(elements)} more whole rows,"
                )
            size *= 2
            if size > MAX_ROW_BYTES:
                raise reader.error(f"has a row of more than {MAX_ROW_BYTES} bytes")
            reader.fill(size)


def _row_beginning(buffer: bytes, position: int, kind: Kind) -> re.Pattern[bytes] | None:
    """Return a pattern of the end of a row and the beginning of the next, by the first key of the first row."""
    between = rb"\}\s*,\s*" if kind == "array" else rb'\}\s*,\s*"(?:[^"\\]|\\.)*+"\s*:\s*'
    match = _FIRST_KEY.match(buffer, position)
    if match is not None:
        return re.compile(between + rb"\{\s*" + re.escape(match[1]) + rb"\s*:", re.DOTALL)
    if kind == "array" and buffer[position : position + 1] == b'"':
        return re.compile(rb'"\s*,\s*"')
    return None


def _last_cut(buffer: bytes, position: int, begins: re.Pattern[bytes] | None) -> int | None:
    """Return the number of bytes up to the last end of a row that `begins` finds near the buffer's end."""
    if begins is None:
        return None
    for tail in (1 << 14, 1 << 18):
        ends = [m.start() for m in begins.finditer(buffer, max(position, len(buffer) - tail))]
        if ends:
            return ends[-1] + 1 - position
    return None


def _count(text: bytes, kind: Kind) -> tuple[int, int] | None:
    """Return the length of the rows without brackets, and their number, of the container that `text` begins with.

    Anything may follow the container. Returns None if it is not complete, not JSON, or repeats a key.
    """
    decoder = _DECODERS[kind]
    closer = BRACKETS[kind][1]
    end = len(text)
    try:
        items = decoder.decode(text)
    except msgspec.DecodeError as error:
        match = _TRAILING.search(str(error))
        if match is None:
            return None
        end = int(match[1]) - 1  # it counts bytes from 1
        text = text[:end]
        items = decoder.decode(text)
    except (UnicodeDecodeError, RecursionError):
        return None
    rows = len(items)
    if isinstance(items, dict) and _rows_of(text[: text.rindex(closer) + 1], items, 0) is None:
        return None  # a repeated key: count by structure
    return text.rindex(closer, 0, end) - 1, rows
