"""Drafts a source file: looks at the first rows of data files, and writes guesses for their owner to confirm.

Guessing is allowed here and nowhere else: what is built follows from what the source file says.
"""

import csv
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from itertools import islice
from typing import Any

import yaml

from datagen.errors import OptionError, RawDataError, RowRejectedError, UserError
from datagen.files import Files
from datagen.media.media import IMAGE_SUFFIXES
from datagen.schema.adapter import Rejected
from datagen.sources.declared.definition import Definition, OneOrMore
from datagen.sources.declared.encoded import decode_image_text
from datagen.sources.declared.readers.data_file import METADATA
from datagen.sources.declared.readers.files import DataFile, find_files
from datagen.sources.declared.readers.read import read_rows
from datagen.sources.declared.row import Problem
from templates.tasks import SOURCES

HEAD_BYTES = 1 << 16
ENCODINGS = ("utf-8", "utf-16", "cp1252")
"""Tried in this order, for the draft only; the last accepts nearly everything, so it is marked."""
_SPLITS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validate", "validation", "dev", "eval"),
    "test": ("test", "testing"),
}
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
    "video": ("video", "video_path", "video_id"),
}  # fmt: skip
_IMAGE_NAME = re.compile(rf".+({'|'.join(map(re.escape, IMAGE_SUFFIXES))})(#\d+)?", re.IGNORECASE)
_IN_TEXT = re.compile(r"<img>(.+?)</img>")
_URL = re.compile(r"https?://", re.IGNORECASE)


def draft(
    paths: Sequence[str], folder: str, files: Files, *, name: str | None = None, rows: int = 1000
) -> str:
    """Return the text of a source file, to lie in `folder`, for the data at `paths`.

    Args:
        paths: Data files of one shape, or one folder of images or saved data.
        folder: Where the source file will lie; paths in it are relative to this folder.
        files: The file system.
        name: The id of the source; by default made of the first file's name.
        rows: Rows to look at in each file.

    Raises:
        UserError: a file cannot be read, or nothing in it looks like images with texts.
    """
    for path in paths:
        if not os.path.exists(path):
            raise RawDataError(f"{path}: no such file or folder")
    look = _Look(paths, folder, files, rows)
    guess = _guess(look)
    head = {"name": name or _id_of(paths[0])}
    return _text({**head, **guess}, look.remarks)


class _Look:
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
        self.num_rejected = 0
        for data_file in self.data_files:
            found = read_rows(files, definition, data_file, _ignore)
            for row in islice(found, rows):
                if isinstance(row.value, Rejected):
                    self.num_rejected += 1
                else:
                    self.rows.append(row.value)
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
        try:
            delimiter = csv.Sniffer().sniff(text.splitlines()[0], delimiters=",;\t|").delimiter
        except (csv.Error, IndexError):
            delimiter = "\t" if "\t" in text else ","
        usual = "\t" if lowered.endswith(".tsv") else ","
        if delimiter != usual:
            self.format["delimiter"] = delimiter
        if lowered.endswith(".txt"):
            self.format["type"] = "csv"
        cells = text.splitlines()[0].split(delimiter) if text.splitlines() else []
        if any(_IMAGE_NAME.fullmatch(cell.strip()) or "#" in cell for cell in cells):
            self.format["header"] = [f"column{number}" for number in range(1, len(cells) + 1)]
            self.remarks["format"] = (
                "the first line looks like data, so the columns were named here"
            )

    def _look_for_rows(self, path: str, head: bytes) -> None:
        """Find the list of objects with the most items in a JSON document of moderate size."""
        import json

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

    def inside(self, parts: Sequence[Mapping[str, Any]]) -> "_Look":
        """Return a look at parts of the rows."""
        look = copy(self)
        look.rows = list(parts)
        look.columns = list(dict.fromkeys(name for part in parts for name in _names_of(part)))
        return look

    def named(self, meaning: str, fits: Callable[[list[Any]], bool] | None = None) -> str | None:
        """Return the column whose name suggests a meaning, and whose values fit it."""
        simple: dict[str, str] = {}
        for column in self.columns:
            last = column.strip().rpartition(".")[2]
            last = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last).lower()  # questionId
            simple.setdefault(re.sub(r"[^a-z0-9]+", "_", last).strip("_"), column)
        for wanted in _NAMES[meaning]:
            found = simple.get(wanted)
            if found is not None and (fits is None or fits(self.values(found))):
                return found
        return None


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


def _guess_coco(look: _Look) -> dict[str, Any]:
    """Return the keys of a source file for COCO's captions."""
    found: dict[str, Any] = {"preset": "coco_captions", "files": look.paths[0]}
    root = _root(look, look.coco_names)
    if root is None:
        look.remarks["images"] = (
            f"none of the first images, such as {look.coco_names[0]!r}, was found; where are they?"
        )
    elif root != ".":
        found["images"] = {"root": root}
    look.remarks.pop("rows", None)
    look.remarks["licence"] = "whose data are they, and on what terms?"
    return {**found, "licence": None}


def _guess(look: _Look) -> dict[str, Any]:
    if look.coco_names:
        return _guess_coco(look)
    columns: dict[str, Any] = {}
    parts = _guess_parts(look)
    found: dict[str, Any] = {"task": _task(look if parts is None else parts[1], columns)}
    found |= _files(look)
    if parts is not None:
        found["each"] = parts[0]
    if look.format:
        found["format"] = look.format
    if look.rows_at:
        found["rows"] = look.rows_at
    _guess_image(look, columns, found)
    if look.answer:
        found["answer"] = look.answer
    if look.roles:
        found["roles"] = look.roles
    ids = look.named("id")
    if ids is not None and ids not in columns.values():
        values = [str(value) for value in look.values(ids)]
        if len(set(values)) >= 0.5 * len(values):
            columns["id"] = ids
        else:
            columns["group"] = ids
            look.remarks["columns"] = (
                f"{ids!r} repeats, so it is taken as the group of rows, not their id"
            )
    split = look.named("split")
    if split is not None and split not in columns.values():
        columns["split"] = split
        found["splits"] = _splits(look, split)
    found["columns"] = columns
    trained = "train" in look.splits or "train" in found.get("splits", {}) or not look.splits
    if not trained:
        look.remarks["use"] = "no split is called train: say which one is trained on"
        found["use"] = {look.splits[0]: "train"}
    found["licence"] = None
    look.remarks["licence"] = "whose data are they, and on what terms?"
    return found


def _task(look: _Look, columns: dict[str, Any]) -> str:
    turns = look.named("turns", lambda v: bool(v) and isinstance(v[0], list))
    if turns is not None:
        columns["turns"] = turns
        first = next((turn for turn in look.values(turns)[0] if isinstance(turn, dict)), {})
        if {"role", "content"} <= first.keys():
            look.roles = {"role": "role", "content": "content"}
        return "conversation"
    if {"instruction", "output"} <= set(look.columns):
        columns["prompt"] = [c for c in ("instruction", "input") if c in look.columns]
        columns["target"] = "output"
        columns |= {name: name for name in ("history", "system") if name in look.columns}
        if "history" in columns:
            columns["question"] = columns.pop("prompt")
            columns["answers"] = columns.pop("target")
            return "conversation"
        return "prompt"
    data_file = look.data_files[0]
    if data_file.format == "class_folders":
        columns["label"] = "label"
        return "classification"
    question = look.named("question", _are_texts)
    if question is not None:
        columns["question"] = question
        answers = look.named("answers")
        if answers is not None:
            columns["answers"] = _inner(look, answers)
        choices = look.named("choices")
        lettered = [c for c in look.columns if c in ("A", "B", "C", "D", "E")]
        if choices is not None or len(lettered) >= 2:
            columns["choices"] = choices or lettered
            context = look.named("context", _are_texts)
            if context is not None:
                columns["context"] = context
            _guess_choices(look, columns)
            return "multiple_choice"
        words = look.named("ocr_tokens")
        if words is not None:
            columns["ocr_tokens"] = _inner(look, words, ("word", "text", "value", "token"))
            return "document_vqa"
        return "vqa"
    statement = look.named("statement", _are_texts)
    if statement is not None:
        columns |= {"statement": statement, "label": look.named("answers") or "label"}
        return "statement"
    caption = look.named("caption")
    if caption is not None:
        columns["caption"] = caption
        return "caption"
    label = look.named("answers", _are_texts)
    if label is not None:
        columns["label"] = label
        return "classification"
    texts = [
        c for c in look.columns if _are_texts(look.values(c)) and not _are_images(look.values(c))
    ]
    if texts:
        columns["caption"] = max(texts, key=lambda c: sum(len(str(v)) for v in look.values(c)))
        look.remarks["task"] = "a guess: the column with the most text is taken as the caption"
        return "caption"
    raise OptionError(
        f"no column of {', '.join(look.paths)} looks like a question, caption, label or conversation; "
        f"the columns are {', '.join(map(repr, look.columns))}"
    )


def _guess_choices(look: _Look, columns: dict[str, Any]) -> None:
    """Guess what the answers of multiple choice are, and what parts the choices of a cell."""
    found: dict[str, Any] = {}
    first = columns["choices"][0] if isinstance(columns["choices"], list) else columns["choices"]
    choices = look.values(first)
    named = look.named("answer_index")
    if named is not None and "answers" not in columns:
        columns["answers"] = named
    answers = [str(value).strip() for value in look.values(columns.get("answers", ""))]
    if choices and isinstance(choices[0], dict):
        found["is"] = "key"
    elif answers and all(re.fullmatch(r"[A-Ha-h]", each) for each in answers):
        found["is"] = "letter"
    elif (
        answers
        and all(re.fullmatch(r"\d+(\.0)?", each) for each in answers)
        and not (isinstance(choices[0], list) and answers[0] in map(str, choices[0]))
    ):
        found["is"] = "index"
    if choices and isinstance(choices[0], str) and not isinstance(columns["choices"], list):
        separator = next((each for each in "|;," if each in choices[0]), None)
        if separator is not None:
            found["separator"] = separator
    if found.get("is") == "index" and choices:
        most = max(len(str(each).split(found.get("separator", "|"))) if isinstance(each, str) else len(each)
                   for each in choices)  # fmt: skip
        numbers = [float(each) for each in answers]
        found["first"] = int(max(numbers) >= most and min(numbers) > 0)
    look.answer = found
    if found:
        look.remarks["answer"] = "is this what an answer is, and where counting begins?"


def _guess_parts(look: _Look) -> tuple[OneOrMore, _Look] | None:
    """Return `each` for rows that hold several questions, and a look at the questions alone."""
    numbered = [c for c in look.columns if re.fullmatch(r"[A-Za-z_]+[ _-]?\d+", c)]
    if numbered and all(isinstance(v, dict) for v in look.values(numbered[0])):
        stem = re.sub(r"\d+$", "", numbered[0])
        parts = [v for row in look.rows for k, v in row.items() if k.startswith(stem)]
        return f"{stem}*", look.inside(parts)
    for column in look.columns:
        values = look.values(column)
        inner = [part for value in values if isinstance(value, list) for part in value]
        if inner and all(isinstance(part, dict) for part in inner):
            known = {"question", "user", "q", "query"} & set(inner[0])
            if known and not {"from", "role"} & set(inner[0]):
                return column, look.inside(inner)
    lists = [
        c
        for c in look.columns
        if (values := look.values(c)) and all(isinstance(v, list) for v in values)
    ]
    questions = [c for c in lists if c.lower() in ("questions", "question")]
    if questions:
        others = [c for c in lists if c.lower() in ("answers", "answer")]
        parts = [
            dict(zip((questions[0], *others), each, strict=False))
            for row in look.rows
            for each in zip(*(row.get(c) or () for c in (questions[0], *others)), strict=False)
        ]
        return [questions[0], *others], look.inside(parts)
    return None


def _files(look: _Look) -> dict[str, Any]:
    if look.is_hub:
        return {"hub": {"repo": look.paths[0]}}
    if len(look.paths) == 1:
        return {"files": look.paths[0]}
    by_split: dict[str, list[str]] = {}
    for path in look.paths:
        stem = os.path.basename(path).lower()
        words = re.split(r"[^a-z]+", stem)
        split = next((s for s, names in _SPLITS.items() if set(names) & set(words)), None)
        by_split.setdefault(split or "", []).append(path)
    if "" in by_split:
        return {"files": look.paths}
    look.splits = sorted(by_split)
    return {"files": {s: p[0] if len(p) == 1 else p for s, p in sorted(by_split.items())}}


def _splits(look: _Look, column: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for value in dict.fromkeys(str(value).strip() for value in look.values(column)):
        known = (s for s, names in _SPLITS.items() if value.lower() in names)
        name = next(known, re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_") or "other")
        found.setdefault(name, []).append(value)
    return found


def _guess_image(look: _Look, columns: dict[str, Any], found: dict[str, Any]) -> None:
    if look.data_files[0].format in ("class_folders", "imagefolder"):
        columns["image"] = "image"
        return
    column = look.named("image", _may_be_images)
    if column is None:
        candidates = [c for c in look.columns if _are_images(look.values(c))]
        column = candidates[0] if candidates else None
    if column is None and _guess_shown_in_text(look, columns, found):
        return
    if column is None or column in columns.values():
        raise OptionError(
            f"no column of {', '.join(look.paths)} looks like an image; the columns are "
            f"{', '.join(map(repr, look.columns))}. Write `images: {{pattern: ...}}` by hand if the "
            "images are named after a number"
        )
    columns["image"] = column
    names = [name for value in look.values(column) for name in _names_in(value)]
    embedded = len(names)
    names = [name for name in names if not _is_embedded(name)]
    if len(names) < embedded:  # images in base64, of which the rest are other rows' ids
        ids = look.named("id")
        known = set() if ids is None else {str(each) for each in look.values(ids)}
        if names and 2 * sum(name in known for name in names) >= len(names):
            found["images"] = {"same_as": ids}
            look.remarks["images"] = (
                f"does an image that is a value of {ids} mean that row's image?"
            )
        elif names:
            look.remarks["images"] = f"most images are base64; what is {names[0]!r:.80}?"
        return
    if names and all(re.search(r"#\d+$", name) for name in names):
        columns["image"] = f"split({column}, '#')[0]"
        names = [name.rpartition("#")[0] for name in names]
    if not names:
        return
    if any(_URL.match(name) for name in names):
        look.remarks["images"] = "images given by URLs are not read: download them first"
        return
    images: dict[str, Any] = {}
    if any("\\" in name for name in names):
        images["separators"] = "windows"
        names = [name.replace("\\", "/") for name in names]
    absolute = [name for name in names if name.startswith("/") or re.match(r"[A-Za-z]:/", name)]
    if absolute:
        images |= _replaced(look, absolute)
    elif all(not os.path.splitext(name)[1] for name in names[:50]):
        pattern = _pattern(look, column, names)
        if pattern is not None:
            images["pattern"] = pattern
            del columns["image"]
    else:
        root = _root(look, names)
        if root is None:
            look.remarks["images"] = (
                f"none of the first images, such as {names[0]!r}, was found; where are they?"
            )
        elif root != ".":
            images["root"] = root
    if images:
        found["images"] = images


def _guess_shown_in_text(look: _Look, columns: Mapping[str, Any], found: dict[str, Any]) -> bool:
    """Guess images that stand as `<img>path</img>` in the turns, as Qwen-VL has them."""
    turns = columns.get("turns")
    if turns is None:
        return False
    content = look.roles.get("content", "value")
    texts = [
        turn.get(content)
        for each in look.values(turns)
        if isinstance(each, list)
        for turn in each
        if isinstance(turn, dict)
    ]
    names = [n for text in texts if isinstance(text, str) for n in _IN_TEXT.findall(text)]
    if not names:
        return False
    labelled = any("Picture " in str(text) for text in texts)
    root = _root(look, names)
    found["images"] = {
        **({} if root in (None, ".") else {"root": root}),
        "marker": "Picture *: <img>{image}</img>" if labelled else "<img>{image}</img>",
    }
    return True


def _is_embedded(text: str) -> bool:
    try:
        return decode_image_text(text) is not None
    except RowRejectedError:
        return True


def _names_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value.strip()]
    if isinstance(value, list):
        return [name for item in value for name in _names_in(item)]
    if isinstance(value, dict) and not value.get("bytes") and isinstance(value.get("path"), str):
        return [str(value["path"])]
    return [str(value)] if isinstance(value, int) and not isinstance(value, bool) else []


def _folders(look: _Look) -> list[str]:
    """Return the folders at most three levels below that of the source file, those of the data first."""
    found = ["."]
    for level in range(3):
        for folder in [f for f in found if (f.count("/") + 1 if f != "." else 0) == level]:
            with os.scandir(os.path.join(look.folder, folder)) as entries:
                names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
            found += [name if folder == "." else f"{folder}/{name}" for name in names[:200]]
    beside = os.path.dirname(look.paths[0])  # the folder of the data comes first, and those in it
    return sorted(found, key=lambda each: not f"{each}/".startswith(f"{beside}/") if beside else 0)


def _hits(look: _Look, folder: str, names: Sequence[str]) -> int:
    """Return how many of the first names are files below a folder."""
    return sum(os.path.isfile(os.path.join(look.folder, folder, n)) for n in names[:100])


def _root(look: _Look, names: Sequence[str]) -> str | None:
    """Return the folder below which most of the names are files."""
    counted = [(_hits(look, folder, names), folder) for folder in _folders(look)]
    most = max(count for count, _ in counted)
    return next(folder for count, folder in counted if count == most) if most else None


def _replaced(look: _Look, names: Sequence[str]) -> dict[str, Any]:
    """Return the beginning of other machines' paths and the folder that takes its place."""
    commonest = Counter(os.path.dirname(name) for name in names).most_common(1)[0][0]
    prefix, best = commonest, (0, "", "")
    while prefix and prefix != "/":
        rest = [name[len(prefix) + 1 :] for name in names if name.startswith(f"{prefix}/")]
        root = _root(look, rest)
        if root is not None:
            best = max(best, (_hits(look, root, rest), prefix, root), key=lambda each: each[0])
        shorter = os.path.dirname(prefix)
        prefix = "" if shorter == prefix else shorter
    if best[0]:
        look.remarks["images"] = "paths of another machine: is this the same folder?"
        return {"root": best[2], "replace_prefix": {f"{best[1]}/": ""}}
    look.remarks["images"] = f"absolute paths such as {names[0]!r}: where are these images here?"
    return {"replace_prefix": {f"{commonest}/": ""}}


def _pattern(look: _Look, column: str, names: Sequence[str]) -> str | None:
    """Return a pattern of paths for images that are named after numbers or names without suffix."""
    for folder in _folders(look):
        place = os.path.join(look.folder, folder)
        with os.scandir(place) as entries:
            there = sorted(e.name for e in islice(entries, 5000) if _IMAGE_NAME.fullmatch(e.name))
        for name in names[:20]:
            for file in there:
                stem, suffix = os.path.splitext(file)
                match = re.fullmatch(rf"(.*?)(0*){re.escape(name)}", stem)
                if match is None or (match[1] and match[1][-1].isalnum()):
                    continue
                width = len(match[2]) + len(name)
                spec = f":0{width}d" if match[2] and name.isdigit() else ""
                prefix = "" if folder == "." else f"{folder}/"
                return f"{prefix}{match[1]}{{{column}{spec}}}{suffix}"
    return None


def _inner(
    look: _Look, column: str, names: Sequence[str] = ("answer", "text", "raw_answer", "value")
) -> str:
    """Return the expression for texts that lie in objects inside a list, under the first of `names`."""
    first = next((v[0] for v in look.values(column) if isinstance(v, list) and v), None)
    if isinstance(first, dict):
        for name in names:
            if name in first:
                return f"{column}[].{name}"
    return column


def _are_texts(values: Sequence[Any]) -> bool:
    return bool(values) and sum(isinstance(v, str) for v in values) >= 0.8 * len(values)


def _are_images(values: Sequence[Any]) -> bool:
    names = [name for value in values[:100] for name in _names_in(value)]
    found = sum(bool(_IMAGE_NAME.fullmatch(name)) for name in names)
    has_bytes = any(isinstance(v, dict) and v.get("bytes") for v in values[:100])
    return has_bytes or (bool(names) and found >= 0.5 * len(names))


def _may_be_images(values: Sequence[Any]) -> bool:
    if not values:
        return False
    first = values[0]
    if isinstance(first, list):
        return not first or _may_be_images(first)
    return isinstance(first, str | dict | bytes) or (isinstance(first, int) and first is not True)


def _id_of(path: str) -> str:
    stem = os.path.basename(os.path.normpath(path)).partition(".")[0].lower()
    name = re.sub(r"[^a-z0-9]+", "_", stem).strip("_")
    name = name if name and name[0].isalpha() else f"own_{name}".rstrip("_")
    return f"own_{name}" if name in SOURCES else name


class _Flow(dict[str, Any]):
    """A mapping that is written on one line."""


def _flow(value: Any) -> Any:
    return _Flow({k: _flow(v) for k, v in value.items()}) if isinstance(value, dict) else value


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Flow,
    lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True),
)


def _text(found: Mapping[str, Any], remarks: Mapping[str, str]) -> str:
    lines = [
        "# A draft: every line with a question is a guess. Confirm or correct it, then",
        "# run `visinstruct source check` on this file.",
    ]
    for key, value in found.items():
        if value is None:
            lines.append(f"# {key}:  # {remarks[key]}")
            continue
        shown = _flow(value)
        dumped = yaml.dump(
            _Flow({key: shown}), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000
        ).rstrip()
        dumped = dumped.removeprefix("{").removesuffix("}")
        lines.append(dumped + (f"  # {remarks[key]}" if key in remarks else ""))
    lines += [f"# {key}: {text}" for key, text in remarks.items() if key not in found]
    return "\n".join(lines) + "\n"


__all__ = ["UserError", "draft"]
