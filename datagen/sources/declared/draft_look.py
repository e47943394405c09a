"""First rows of data files, as a draft of a source file looks at them: columns, values, format."""

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from itertools import islice
from typing import Any

from datagen.errors import RawDataError
from datagen.files import Files
from datagen.media.media import IMAGE_SUFFIXES
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.readers.data_file import METADATA
from datagen.sources.declared.readers.files import DataFile, find_files
from datagen.sources.declared.readers.read import read_rows
from datagen.sources.declared.row import Problem

HEAD_BYTES = 1 << 16
ENCODINGS = ("utf-8", "utf-16", "cp1252")
"""Tried in this order, for the draft only; the last accepts nearly everything, so it is marked."""
_NAMES: Mapping[str, tuple[str, ...]] = {
    "image": ("image", "img", "image_path", "img_path", "image_file", "imagefile", "file_name",
              "filename", "file", "path", "images", "picture", "photo", "image_id", "image_name"),
    "question": ("question", "questions", "query", "q", "user", "prompt", "sent", "problem"),
    "answers": ("answers", "answer", "assistant", "label", "labels", "a", "response", "gt", "ground_truth"),
    "caption": ("caption", "captions", "text", "sentence", "sentences", "description", "raw", "comment"),
    "choices": ("choices", "options", "candidates"),
    "turns": ("conversations", "conversation", "messages", "turns", "dialog", "texts"),
    "id": ("id", "question_id", "qid", "uid", "sample_id", "ann_id", "index"),
    "split": ("split", "subset", "fold", "partition", "set"),
    "answer_index": ("answer_no", "answer_idx", "answer_index", "correct", "correct_choice"),
    "statement": ("statement", "hypothesis", "claim"),
    "ocr_tokens": ("ocr_tokens", "ocr", "words"),
    "context": ("context", "hint"),
    "video": ("video", "video_path", "video_file", "video_name", "clip", "video_id", "vid"),
    "start": ("start", "begin", "start_time", "start_sec", "t_start", "from"),
    "end": ("end", "stop", "end_time", "end_sec", "t_end", "to"),
}  # fmt: skip
_ALL_NAMES = frozenset(name for names in _NAMES.values() for name in names)
IMAGE_NAME = re.compile(rf".+({'|'.join(map(re.escape, IMAGE_SUFFIXES))})(#\d+)?", re.IGNORECASE)


class Look:
    """What the first rows of the files show."""

    def __init__(self, paths: Sequence[str], folder: str, files: Files, rows: int) -> None:
        self.folder = os.path.abspath(folder)
        self.files = files
        self.remarks: dict[str, str] = {}
        self.answer: dict[str, Any] = {}
        self.roles: dict[str, Any] = {}
        self.paths = [os.path.relpath(path, self.folder) for path in paths]
        self.is_hub = len(paths) == 1 and _is_hub_copy(paths[0])
        self.format: dict[str, Any] = {}
        self.rows_at: str | None = None
        self.coco_names: list[str] = []
        if len(paths) == 1 and not os.path.isdir(paths[0]):
            self._look_at_format(paths[0])
        definition, self.data_files = self._open()
        self.rows: list[Mapping[str, Any]] = []
        self.rows_of: dict[str, list[Mapping[str, Any]]] = {}
        """Those of each file, by its name."""
        self.split_of: dict[str, str] = {}
        """The split of each file, where their names tell it."""
        self.num_rejected = 0
        for data_file in self.data_files:
            found = read_rows(files, definition, data_file, _ignore)
            for row in islice(found, rows):
                if isinstance(row.value, Rejected):
                    self.num_rejected += 1
                else:
                    self.rows.append(row.value)
                    self.rows_of.setdefault(data_file.name, []).append(row.value)
        if not self.rows:
            raise RawDataError(f"{paths[0]} holds no rows that can be read")
        names = Counter(name for row in self.rows for name in _names_of(row))
        self.columns = [n for n, count in names.items() if count * 10 >= len(self.rows)]
        self.splits = sorted({each.split for each in self.data_files if each.split})

    def _open(self) -> tuple[Definition, list[DataFile]]:
        kinds: dict[str, Any] = {"files": self.paths if len(self.paths) > 1 else self.paths[0]}
        if self.is_hub:
            kinds = {"hub": {"repo": self.paths[0]}}
        if self.format:
            kinds["format"] = self.format
        if self.rows_at:
            kinds["rows"] = self.rows_at
        definition = Definition(name="draft", task="vqa", base=self.folder, **kinds)
        return definition, list(find_files(definition, self.files))

    def _look_at_format(self, path: str) -> None:
        lowered = path.lower()
        with self.files.open_binary(path) as file:
            head = file.read(HEAD_BYTES)
        if lowered.endswith((".csv", ".tsv", ".txt")):
            self._look_at_table(lowered, head)
        elif lowered.endswith(".json") and head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
            self._look_for_rows(path, head)

    def _look_at_table(self, lowered: str, head: bytes) -> None:
        complete = head[: head.rfind(b"\n") + 1] or head
        for encoding in ENCODINGS:
            try:
                text = complete.decode(encoding)
            except UnicodeError:
                continue
            if encoding == "utf-16" and complete[:2] not in (b"\xff\xfe", b"\xfe\xff"):
                continue
            break
        if encoding != "utf-8":
            self.format["encoding"] = encoding
            self.remarks["format"] = "guessed encoding: look for wrong letters in what check shows"
        lines = [line for line in text.splitlines()[:6] if line.strip()]
        delimiter = _delimiter(lines)
        usual = "\t" if lowered.endswith(".tsv") else ","
        if delimiter != usual:
            self.format["delimiter"] = delimiter
        if lowered.endswith(".txt"):
            self.format["type"] = "csv"
        cells = [line.split(delimiter) for line in lines]
        if delimiter == "\t" and any(
            cell.startswith('"') and not cell.endswith('"') for each in cells for cell in each
        ):
            self.format["quote"] = ""
        if cells and not _is_header(cells):
            self.format["header"] = [f"column{number}" for number in range(1, len(cells[0]) + 1)]
            self.remarks["format"] = (
                "the first line looks like data, so the columns were named here"
            )

    def _look_for_rows(self, path: str, head: bytes) -> None:
        """Find the list of objects with the most items in a JSON document of moderate size."""
        with self.files.open_binary(path) as file:
            size = file.seek(0, os.SEEK_END)
            if size > 256 << 20:
                self.remarks["rows"] = "the document is large: name the path of its rows here"
                return
            file.seek(0)
            try:
                document = json.loads(file.read().decode("utf-8-sig"), strict=False)
            except ValueError as error:
                raise RawDataError(f"{path} is not JSON: {error}") from None
        found: list[tuple[int, str]] = []
        _lists_of_objects(document, "", found)
        self.coco_names = _names_of_coco(document)
        if found:
            self.rows_at = max(found)[1]
            others = sorted(where for _, where in found if where != self.rows_at)
            if others:
                self.remarks["rows"] = f"there are also {', '.join(others)}; join them by `join`"

    def values(self, column: str) -> list[Any]:
        found = (_value(row, column) for row in self.rows)
        return [value for value in found if value not in (None, "", [], {})]

    def inside(self, parts: Sequence[Mapping[str, Any]]) -> "Look":
        """Return a look at parts of the rows."""
        look = copy(self)
        look.rows = list(parts)
        look.columns = list(dict.fromkeys(name for part in parts for name in _names_of(part)))
        return look

    def named(self, meaning: str, fits: Callable[[list[Any]], bool] | None = None) -> str | None:
        """Return the column whose name suggests a meaning, and whose values fit it."""
        simple: dict[str, str] = {}
        for column in self.columns:
            simple.setdefault(_simple(column), column)
        for wanted in _NAMES[meaning]:
            found = simple.get(wanted)
            if found is not None and (fits is None or fits(self.values(found))):
                return found
        return None


def _simple(column: str) -> str:
    """Return the last part of a column's name in lower case with underscores: `question_id` of `questionId`."""
    last = column.strip().rpartition(".")[2]
    last = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last).lower()
    return re.sub(r"[^a-z0-9]+", "_", last).strip("_")


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that all lines have as often, or else the one that the first looks like."""
    for each in "\t;|,":
        if lines and len({line.count(each) for line in lines}) == 1 and each in lines[0]:
            return each
    try:
        return csv.Sniffer().sniff(lines[0], delimiters=",;\t|").delimiter
    except (csv.Error, IndexError):
        return "\t" if any("\t" in line for line in lines) else ","


def _is_header(cells: Sequence[Sequence[str]]) -> bool:
    """Return False if the first line looks like data: it names an image, or is like the lines below it."""
    first, *others = cells
    if any(_simple(cell) in _ALL_NAMES for cell in first):
        return True
    if any(IMAGE_NAME.fullmatch(cell.strip()) or "#" in cell for cell in first):
        return False
    alike = (
        re.search(r"\d", cell)
        and {_shape(each[place]) for each in others if len(each) > place} == {_shape(cell)}
        for place, cell in enumerate(first)
    )
    return not (others and any(alike))


def _shape(cell: str) -> str:
    return re.sub(r"\d+", "0", cell.strip())


def _names_of(row: Mapping[str, Any]) -> list[str]:
    """Return the columns of a row; of an object in it, those of its members."""
    found = []
    for name, value in row.items():
        found.append(name)
        if isinstance(value, dict) and not {"bytes", "path"} <= value.keys():
            found += [f"{name}.{inner}" for inner in value if re.fullmatch(r"[A-Za-z_]\w*", inner)]
    return found


def _value(row: Mapping[str, Any], column: str) -> Any:
    if column in row:
        return row[column]
    outer, _, inner = column.partition(".")
    value = row.get(outer)
    return value.get(inner) if isinstance(value, dict) else None


def _is_hub_copy(path: str) -> bool:
    """Return True for a folder with a card and data files, as a clone of a Hub dataset has them."""
    if not os.path.isfile(os.path.join(path, "README.md")):
        return False
    places = (path, os.path.join(path, "data"))
    names = [name for place in places if os.path.isdir(place) for name in os.listdir(place)]
    return any(
        name.endswith((".parquet", ".jsonl", ".csv")) and name not in METADATA for name in names
    )


def _ignore(problem: Problem) -> None:
    pass


def _lists_of_objects(value: Any, where: str, found: list[tuple[int, str]]) -> None:
    if isinstance(value, list):
        if value and all(isinstance(item, dict) for item in value[:20]) and where:
            found.append((len(value), where))
    elif isinstance(value, dict):
        for key, item in value.items():
            if "." not in key:
                _lists_of_objects(item, f"{where}.{key}" if where else key, found)


def _names_of_coco(document: Any) -> list[str]:
    """Return the names of the images of a document of COCO's captions, none for any other."""
    if not isinstance(document, dict):
        return []
    lists = [document.get(key) for key in ("images", "annotations")]
    images, annotations = (
        [e for e in v if isinstance(e, dict)] if isinstance(v, list) else [] for v in lists
    )
    if not any({"image_id", "caption"} <= each.keys() for each in annotations[:100]):
        return []
    return [name for each in images if isinstance(name := each.get("file_name"), str)]
