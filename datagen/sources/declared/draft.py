"""Drafts a source file: looks at the first rows of data files, and writes guesses for their owner to confirm.

Guessing is allowed here and nowhere else: what is built follows from what the source file says.
"""

import os
import re
from collections.abc import Sequence
from typing import Any

from datagen.errors import OptionError, RawDataError
from datagen.files import Files
from datagen.sources.declared.definition import OneOrMore
from datagen.sources.declared.draft_images import are_images, guess_image, root_of
from datagen.sources.declared.draft_look import Look
from datagen.sources.declared.draft_yaml import yaml_text
from templates.tasks import SOURCES

SPLITS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validate", "validation", "dev", "eval"),
    "test": ("test", "testing"),
}


_ANNOTATIONS = ("annotations", "annotation", "labels", "imagesets")


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
    look = Look(paths, folder, files, rows)
    guess = _guess(look)
    head = {"name": name or _id_of(paths[0])}
    return yaml_text({**head, **guess}, look.remarks)


def _guess_coco(look: Look) -> dict[str, Any]:
    """Return the keys of a source file for COCO's captions."""
    found: dict[str, Any] = {"preset": "coco_captions", "files": look.paths[0]}
    root = root_of(look, look.coco_names)
    if root is None:
        look.remarks["images"] = (
            f"none of the first images, such as {look.coco_names[0]!r}, was found; where are they?"
        )
    elif root != ".":
        found["images"] = {"root": root}
    look.remarks.pop("rows", None)
    look.remarks["licence"] = "whose data are they, and on what terms?"
    return {**found, "licence": None}


def _guess(look: Look) -> dict[str, Any]:
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
    guess_image(look, columns, found)
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


def _task(look: Look, columns: dict[str, Any]) -> str:
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
        _check_classes(look)
        columns["label"] = "label"
        return "classification"
    question = look.named("question", are_texts)
    if question is not None:
        columns["question"] = question
        answers = look.named("answers")
        if answers is not None:
            columns["answers"] = _inner(look, answers)
        choices = look.named("choices")
        lettered = [c for c in look.columns if c in ("A", "B", "C", "D", "E")]
        if choices is not None or len(lettered) >= 2:
            columns["choices"] = choices or lettered
            context = look.named("context", are_texts)
            if context is not None:
                columns["context"] = context
            _guess_choices(look, columns)
            return "multiple_choice"
        words = look.named("ocr_tokens")
        if words is not None:
            columns["ocr_tokens"] = _inner(look, words, ("word", "text", "value", "token"))
            return "document_vqa"
        return "vqa"
    statement = look.named("statement", are_texts)
    if statement is not None:
        columns |= {"statement": statement, "label": look.named("answers") or "label"}
        return "statement"
    caption = look.named("caption")
    if caption is not None:
        columns["caption"] = caption
        return "caption"
    label = look.named("answers", are_texts)
    if label is not None:
        columns["label"] = label
        return "classification"
    texts = [
        c for c in look.columns if are_texts(look.values(c)) and not are_images(look.values(c))
    ]
    if texts:
        columns["caption"] = max(texts, key=lambda c: sum(len(str(v)) for v in look.values(c)))
        look.remarks["task"] = "a guess: the column with the most text is taken as the caption"
        return "caption"
    raise OptionError(
        f"no column of {', '.join(look.paths)} looks like a question, caption, label or conversation; "
        f"the columns are {', '.join(map(repr, look.columns))}"
    )


def _check_classes(look: Look) -> None:
    """Refuse folders of images that are no classes, such as those of Pascal VOC or of one folder alone.

    Raises:
        OptionError: says what to name instead.
    """
    folder = os.path.join(look.folder, look.paths[0])
    labels = sorted({str(row["label"]) for row in look.rows})
    names = sorted(each.name for each in os.scandir(folder) if each.is_dir())
    beside = [each for each in names if each.lower() in _ANNOTATIONS and each not in labels]
    if beside or "JPEGImages" in labels:
        held = ", ".join([*labels[:5], *beside])
        raise OptionError(
            f"{look.paths[0]} holds {held}: images with annotations beside them, as detection and "
            "segmentation have them, and no classes. Boxes and masks are no task here; if the annotations hold captions "
            "or questions, draft from their file, else write a CSV with a row for each image"
        )
    if len(labels) == 1:
        raise OptionError(
            f"{look.paths[0]} holds images in one folder alone, {labels[0]!r}, and classification needs several "
            "classes; draft from the file that describes the images"
        )


def _guess_choices(look: Look, columns: dict[str, Any]) -> None:
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


def _guess_parts(look: Look) -> tuple[OneOrMore, Look] | None:
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


def _files(look: Look) -> dict[str, Any]:
    if look.is_hub:
        return {"hub": {"repo": look.paths[0]}}
    if len(look.paths) == 1:
        return {"files": look.paths[0]}
    by_split: dict[str, list[str]] = {}
    for path in look.paths:
        stem = os.path.basename(path).lower()
        words = re.split(r"[^a-z]+", stem)
        split = next((s for s, names in SPLITS.items() if set(names) & set(words)), None)
        by_split.setdefault(split or "", []).append(path)
    if "" in by_split:
        return {"files": look.paths}
    look.splits = sorted(by_split)
    look.split_of = {path: split for split, paths in by_split.items() for path in paths}
    return {"files": {s: p[0] if len(p) == 1 else p for s, p in sorted(by_split.items())}}


def _splits(look: Look, column: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for value in dict.fromkeys(str(value).strip() for value in look.values(column)):
        known = (s for s, names in SPLITS.items() if value.lower() in names)
        name = next(known, re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_") or "other")
        found.setdefault(name, []).append(value)
    return found


def _inner(
    look: Look, column: str, names: Sequence[str] = ("answer", "text", "raw_answer", "value")
) -> str:
    """Return the expression for texts that lie in objects inside a list, under the first of `names`."""
    first = next((v[0] for v in look.values(column) if isinstance(v, list) and v), None)
    if isinstance(first, dict):
        for name in names:
            if name in first:
                return f"{column}[].{name}"
    return column


def are_texts(values: Sequence[Any]) -> bool:
    return bool(values) and sum(isinstance(v, str) for v in values) >= 0.8 * len(values)


def _id_of(path: str) -> str:
    stem = os.path.basename(os.path.normpath(path)).partition(".")[0].lower()
    name = re.sub(r"[^a-z0-9]+", "_", stem).strip("_")
    name = name if name and name[0].isalpha() else f"own_{name}".rstrip("_")
    return f"own_{name}" if name in SOURCES else name
