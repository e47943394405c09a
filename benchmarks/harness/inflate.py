"""Official files of published size: the sample's rows, copied with new ids.

Only what makes a row another one changes: ids, and what joins files by them. Images are not copied.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ID_STEP = 10**9  # more than any number of the sample's ids
_NUMBER = re.compile(r'"@(\d+)@"')
_COPY = "@copy@"


@dataclass(frozen=True)
class Inflated:
    """The rows of a file: where they are, and their fields that are ids.

    `path` leads to a list, or to an object whose keys are ids as well. `within` names lists inside of a
    row, and their ids.
    """

    ids: tuple[str, ...]
    path: tuple[str, ...] = ()
    within: Mapping[str, str] | None = None


_VQA = {"questions": ("question_id", "image_id"), "annotations": ("question_id", "image_id")}
_KARPATHY = Inflated(("cocoid", "filename"), ("images",), {"sentences": "sentid"})
_BY_IMAGE = Inflated(("image_id",), ("data",))

FILES: Mapping[str, tuple[Inflated, ...]] = {
    r"(vqav2|okvqa)/.*_questions\.json": (Inflated(_VQA["questions"], ("questions",)),),
    r"(vqav2|okvqa)/.*_annotations\.json": (Inflated(_VQA["annotations"], ("annotations",)),),
    r"coco_caption/dataset_coco\.json": (
        Inflated(("cocoid",), ("images",), {"sentences": "sentid"}),
    ),
    r"flickr30k/dataset_flickr30k\.json": (_KARPATHY,),
    r"aokvqa/.*\.json": (Inflated(("question_id", "image_id")),),
    r"textcaps/TextCaps.*\.json": (Inflated(("caption_id", "image_id"), ("data",)),),
    r"textvqa/TextVQA_0.*\.json": (Inflated(("question_id", "image_id"), ("data",)),),
    r"text(caps|vqa)/TextVQA_Rosetta.*\.json": (_BY_IMAGE,),
    r"vizwiz/.*\.json": (Inflated(("image",)),),
    r"gqa/.*\.json": (Inflated(()),),
    r"nocaps/.*\.json": (
        Inflated(("id", "file_name"), ("images",)),
        Inflated(("id", "image_id"), ("annotations",)),
    ),
    r"ocr_vqa/ocr_tokens\.jsonl": (Inflated(("image_id",)),),
    r"ocr_vqa/dataset\.json": (Inflated(()),),
    r"scienceqa/problems\.json": (Inflated(()),),
    r"iconqa/iconqa_data/problems\.json": (Inflated(()),),
    r"visdial/visdial_1\.0_(train|val|test)\.json": (Inflated(("image_id",), ("data", "dialogs")),),
    r"visdial/.*dense.*\.json": (Inflated(("image_id",)),),
    r"(msvd|msrvtt)_qa/.*_qa\.json": (Inflated(("id",)),),
    r"llava_instruct/.*\.json": (Inflated(("id",)),),
    r"vsr/.*\.jsonl": (Inflated(()),),
    r"hateful_memes/.*\.jsonl": (Inflated(("id",)),),
    r"ivqa/.*\.csv": (Inflated(("video_id",)),),
}
"""Files that are not named here, such as lists of splits and of videos, is copied or made by `_ids_of_splits`."""


def inflate(sample: Path, folder: str, out: Path, copies: Callable[[str], int]) -> None:
    """Write the files of a raw folder with every row `copies(file)` times."""
    for path in sorted(
        each for each in (sample / folder).rglob("*") if each.suffix in (*_WRITERS, ".txt")
    ):
        name = str(path.relative_to(sample))
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        described = next((f for pattern, f in FILES.items() if re.fullmatch(pattern, name)), None)
        if path.name == "pid_splits.json":
            _ids_of_splits(path, target, copies(path.name))
        elif described is None:
            target.write_bytes(path.read_bytes())
        else:
            _WRITERS[path.suffix](path, target, described, copies(path.name))


def _json(path: Path, target: Path, parts: tuple[Inflated, ...], copies: int) -> None:
    document = {"": json.loads(path.read_text())}
    containers = []
    for part in parts:
        holder: Any = document
        *names, last = ("", *part.path)
        for name in names:
            holder = holder[name]
        if last in holder:  # the images of a test split have no annotations
            containers.append((part, holder[last]))
            holder[last] = "@rows@"
    before, *between = json.dumps(document[""]).split('"@rows@"')
    with target.open("w") as file:
        file.write(before)
        for (part, rows), after in zip(containers, between, strict=True):
            file.writelines(_container(part, rows, copies))
            file.write(after)


def _container(part: Inflated, rows: Any, copies: int) -> Iterator[str]:
    opener, closer = "{}" if isinstance(rows, dict) else "[]"
    texts = _texts(rows.values() if isinstance(rows, dict) else rows, part)
    if isinstance(rows, dict):
        texts = [f'"{key}{_COPY}": {text}' for key, text in zip(rows, texts, strict=True)]
    yield opener
    for number, copy in enumerate(_copies(", ".join(texts), copies)):
        yield (", " if number else "") + copy
    yield closer


def _lines(path: Path, target: Path, parts: tuple[Inflated, ...], copies: int) -> None:
    (part,) = parts
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    with target.open("w") as file:
        file.writelines(_copies("".join(f"{text}\n" for text in _texts(rows, part)), copies))


def _csv(path: Path, target: Path, parts: tuple[Inflated, ...], copies: int) -> None:
    (part,) = parts
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for copy in range(copies):
            writer.writerows(
                row | {name: f"{row[name]}x{copy}" for name in part.ids} for row in rows
            )


_WRITERS: Mapping[str, Callable[[Path, Path, tuple[Inflated, ...], int], None]] = {
    ".json": _json,
    ".jsonl": _lines,
    ".csv": _csv,
}


def _texts(rows: Iterable[dict[str, Any]], described: Inflated) -> list[str]:
    """Rows as JSON, their ids marked."""
    texts = []
    for row in rows:
        marked = row | {name: _mark(row[name]) for name in described.ids if name in row}
        for name, inner in (described.within or {}).items():
            marked[name] = [each | {inner: _mark(each[inner])} for each in row[name]]
        texts.append(json.dumps(marked))
    return texts


def _mark(value: int | str) -> str:
    if isinstance(value, int):
        return f"@{value}@"
    stem, dot, suffix = value.rpartition(".")
    return f"{stem}{_COPY}.{suffix}" if dot else f"{value}{_COPY}"


def _copies(text: str, copies: int) -> Iterator[str]:
    for copy in range(copies):
        yield _NUMBER.sub(partial(_moved, copy), text).replace(_COPY, f"x{copy}")


def _moved(copy: int, match: re.Match[str]) -> str:
    return str(int(match[1]) + copy * ID_STEP)


def _ids_of_splits(path: Path, target: Path, copies: int) -> None:
    splits = json.loads(path.read_text())
    many = {name: [f"{i}x{c}" for c in range(copies) for i in ids] for name, ids in splits.items()}
    target.write_text(json.dumps(many))
