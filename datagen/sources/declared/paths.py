"""Paths of images and videos as rows write them, and the relative paths that they stand for.

A row may be edited by anybody and come from another machine. A path is used only if it lies below the
root that the source file names, and never by its last part alone: two folders may hold an `0001.jpg` each.
"""

import os
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from string import Formatter
from typing import Any
from urllib.parse import unquote

from datagen.errors import Reason, RowRejectedError, nearest
from datagen.media.media import CONTROL_CHARACTERS
from datagen.media.pack import slice_of
from datagen.sources.declared.definition import MediaPaths

MAX_LISTED_NAMES = 250_000
"""Of one folder. A larger one is not searched for names that differ in case alone."""
MAX_LISTED_FOLDERS = 64
MAX_SHOWN_CHARS = 200

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_INTEGER = re.compile(r"[+-]?[0-9]+")


def shown(value: object) -> str:
    """Return a value as a message shows it, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."


def is_blank(value: object) -> bool:
    """Return True for what stands for no value: null, NaN, a blank text, an empty list or object."""
    if value is None or (isinstance(value, float) and value != value):
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, list | tuple | Mapping | bytes) and not value


def fill_pattern(pattern: str, columns: Mapping[str, Any]) -> str:
    """Return `pattern` with the values of columns in it: `XR_{image_id:05d}.png`.

    A number that a file gives as text, or as 12.0, works with `:05d` too.

    Raises:
        RowRejectedError: a column is absent or blank, or its value does not fit its format.
    """
    parts = []
    for literal, name, spec in _parsed(pattern):
        parts.append(literal)
        if name is not None:
            parts.append(_formatted(name, spec or "", columns))
    return "".join(parts)


@lru_cache
def _parsed(pattern: str) -> list[tuple[str, str | None, str | None]]:
    """Return the literal texts of a pattern, each with the column and the format behind it."""
    return [(literal, name, spec) for literal, name, spec, _ in Formatter().parse(pattern)]


def columns_of_pattern(pattern: str | None) -> list[str]:
    """Return the columns that a pattern names, each once."""
    fields = () if pattern is None else Formatter().parse(pattern)
    return list(dict.fromkeys(name for _, name, _, _ in fields if name))


def _formatted(name: str, spec: str, columns: Mapping[str, Any]) -> str:
    if name not in columns:
        raise RowRejectedError(
            Reason.MALFORMED_ROW,
            f"the row has no column {name!r}, which the pattern of its path names{nearest(name, columns)}",
        )
    value = columns[name]
    if is_blank(value):
        raise RowRejectedError(
            Reason.NO_IMAGE, f"column {name!r}, which the pattern of its path names, is empty"
        )
    if isinstance(value, str):
        value = value.strip()
        if spec and _INTEGER.fullmatch(value) and spec[-1] in "bcdoxXn":
            value = int(value)
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowRejectedError(
            Reason.MALFORMED_ROW, f"column {name!r} is {shown(value)}, which is no part of a path"
        )
    try:
        return format(value, spec)
    except ValueError:
        raise RowRejectedError(
            Reason.MALFORMED_ROW, f"column {name!r} is {shown(value)}, which has no format {spec!r}"
        ) from None


class PathRules:
    """Turns the paths of rows into paths below the root, as the source file says.

    `key` is the part of the source file that says it (`images` or `videos`), for messages; `root` is the
    folder or URL of the files.
    """

    def __init__(self, key: str, paths: MediaPaths, root: str) -> None:
        self.key, self.root = key, root
        self._local = "://" not in root
        self._windows = paths.separators == "windows"
        prefixes = [(self._slashes(old), new) for old, new in paths.replace_prefix.items()]
        self._prefixes = sorted(prefixes, key=lambda pair: -len(pair[0]))
        self._own = f"{os.path.abspath(root)}/" if self._local else ""

    def relative(self, text: str) -> str:
        """Return the path below the root that a row's text names; the file need not exist.

        Raises:
            RowRejectedError: it is a URL, absolute, leads out of the root, or names no file.
        """
        path = self._replaced(self._slashes(text.strip("\r\n\t") if self._local else text.strip()))
        if path.lower().startswith("file://"):
            path = unquote(re.sub(r"(?i)^file://(localhost(?=/))?", "", path))
            path = self._replaced(path[1:] if _DRIVE.match(path[1:]) else path)
        if _URL.match(path):
            raise RowRejectedError(Reason.REMOTE_MEDIA, self._remote(path))
        if CONTROL_CHARACTERS.search(path):
            raise RowRejectedError(
                Reason.UNSAFE_PATH, f"{shown(text)} holds a character that no file name has"
            )
        if self._own and path.startswith(self._own):
            path = path[len(self._own) :]
        if path.startswith("/") or _DRIVE.match(path):
            folder = text[: max(text.rfind("/"), text.rfind("\\")) + 1]
            windows = "separators: windows, " if "\\" in text and not self._windows else ""
            raise RowRejectedError(
                Reason.UNSAFE_PATH,
                f"{shown(text)} is an absolute path and not below {self.root}: say which folder below it "
                f"is meant, with {self.key}: {{{windows}replace_prefix: {{{folder!r}: ''}}}}",
            )
        if "\\" in path:
            raise RowRejectedError(
                Reason.UNSAFE_PATH,
                f"{shown(text)} has backslashes: with {self.key}: {{separators: windows}} they part folders",
            )
        return self._normal(path, text)

    def _normal(self, path: str, text: str) -> str:
        parts: list[str] = []
        for part in path.split("/"):
            if part == ".." and not parts:
                raise RowRejectedError(
                    Reason.UNSAFE_PATH,
                    f"{shown(text)} leads out of {self.root}: let {self.key}.root name the folder that "
                    "all files are in",
                )
            if part == "..":
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        relative = "/".join(parts)
        if not relative:
            raise RowRejectedError(Reason.UNSAFE_PATH, f"{shown(text)} names a folder, no file")
        if slice_of(relative) is not None:
            raise RowRejectedError(
                Reason.UNSAFE_PATH,
                f"{shown(text)} begins with a folder name that is reserved: rename it",
            )
        return relative

    def _slashes(self, text: str) -> str:
        return text.replace("\\", "/") if self._windows else text

    def _replaced(self, path: str) -> str:
        """Return the path with the longest prefix that it has replaced; a prefix ends where a folder does."""
        for old, new in self._prefixes:
            rest = path[len(old) :]
            ends = not rest or old.endswith(("/", "\\")) or rest[0] in "/\\"
            if path.startswith(old) and ends:
                rest = rest.lstrip("/\\")
                return f"{new.rstrip('/')}/{rest}" if new else rest
        return path

    def _remote(self, url: str) -> str:
        start = re.match(r"[^:]+://[^/]*/?", url)
        prefix = start[0] if start else url
        return (
            f"{shown(url)} is a URL, and {self.key} are read from files. Download them, for example with "
            f"`wget -x -nH -P {self.root} -i urls.txt`, and say so: {self.key}: {{replace_prefix: "
            f"{{{prefix!r}: ''}}}}"
        )


class Names:
    """Finds files whose names differ from a path in case or Unicode normal form alone.

    Names written on macOS (NFD) or Windows (any case) are the same there, and not on Linux.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._folders: OrderedDict[str, dict[str, list[str]]] = OrderedDict()

    def similar(self, relative: str) -> list[str]:
        """Return the paths below the root that `relative` may mean; empty if there is none."""
        found = [""]
        for part in relative.split("/"):
            found = [
                f"{folder}/{name}" if folder else name
                for folder in found
                for name in self._listed(folder).get(_folded(part), ())
            ]
        return found

    def _listed(self, folder: str) -> dict[str, list[str]]:
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = self._read(f"{self.root}/{folder}")
            if len(self._folders) > MAX_LISTED_FOLDERS:
                self._folders.popitem(last=False)
        return known

    def _read(self, folder: str) -> dict[str, list[str]]:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            return {}
        listed: dict[str, list[str]] = {}
        for name in names if len(names) <= MAX_LISTED_NAMES else ():
            listed.setdefault(_folded(name), []).append(name)
        return listed


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


Warn = Callable[[str, str], None]
"""Receives a reason and a message about a row that is used all the same."""
