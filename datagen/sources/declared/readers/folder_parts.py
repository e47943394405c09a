"""Finds what a folder is that a definition names, and the splits in it."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence

from datagen.errors import OptionError, RawDataError
from datagen.sources.declared.definition import Definition, FormatName, SplitList
from datagen.sources.declared.readers.data_file import (
    METADATA,
    DataFile,
    format_of,
    is_image_name,
    metadata_files,
    split_name,
    walk,
)

_SPLITS = ("train", "training", "validation", "valid", "val", "dev", "test", "testing")
_SAVED = "dataset_dict.json"


def folder_parts(
    definition: Definition, path: str, name: str, split: str | None
) -> Iterator[DataFile]:
    """Yield a folder, or its splits where it holds several.

    Raises:
        RawDataError: it is none of the folders that are known.
        OptionError: one split is given to a folder of several.
    """
    kind = definition.format.type or folder_kind(path)
    if kind == "saved":
        yield from _saved(definition, path, name, split)
        return
    if kind not in ("imagefolder", "class_folders"):
        names = sorted(os.listdir(path))
        held = ", ".join(names[:8]) or "nothing"
        known = next((each for each in names if format_of(each) is not None), "rows.jsonl")
        suffix = known.partition(".")[2]
        raise RawDataError(
            f"source {definition.name}: {name} is a folder without {_SAVED}, "
            f"{' or '.join(METADATA)}, and without images in folders; it holds {held}; name the "
            f"files in it, such as files: {name}/*.{suffix}"
        )
    found = (
        _metadata_splits(path) if kind == "imagefolder" else _class_splits(definition, path, name)
    )
    if not found:
        yield DataFile(path, name, split, kind)
        return
    called = _names_of(definition, found)
    for each in _chosen(definition, name, split, found):
        part = os.path.normpath(os.path.join(name, each))
        yield DataFile(os.path.join(path, each), part, split or called[each], kind)


def _saved(definition: Definition, path: str, name: str, split: str | None) -> Iterator[DataFile]:
    described = os.path.join(path, _SAVED)
    if not os.path.isfile(described):
        yield DataFile(path, name, split, "saved")
        return
    try:
        with open(described, encoding="utf-8") as file:
            splits = [str(each) for each in json.load(file)["splits"]]
    except (ValueError, KeyError, TypeError) as error:
        raise RawDataError(f"source {definition.name}: {described} is broken: {error}") from None
    called = _names_of(definition, splits)
    for each in _chosen(definition, name, split, splits):
        yield DataFile(os.path.join(path, each), name, split or called[each], "saved")


def _names_of(definition: Definition, found: Sequence[str]) -> Mapping[str, str]:
    """Return what the splits of a folder are called: as the source file has them, else `train`, `val`, `test`."""
    said = set(definition.use)
    for values in definition.splits.values():
        if not isinstance(values, SplitList):
            said |= {values} if isinstance(values, str) else set(values)
    called = {each: each if each in said else split_name(each) for each in found}
    return (
        called if len(set(called.values())) == len(found) else dict(zip(found, found, strict=True))
    )


def _chosen(definition: Definition, name: str, split: str | None, found: list[str]) -> list[str]:
    """Return the splits of a folder that are wanted.

    Raises:
        OptionError: it has several and not the one.
    """
    if split is None or len(found) == 1:
        return found
    same = [each for each in found if each == split] or [e for e in found if split_name(e) == split]
    if len(same) == 1:
        return same
    raise OptionError(
        f"source {definition.name}: {name} holds the splits {', '.join(found)}; say which is "
        f"{split}: files: {{{split}: {name}/{found[0]}}}"
    )


def folder_kind(path: str) -> FormatName | None:
    """Return what a folder is: a saved data set or images, or None."""
    if os.path.isfile(os.path.join(path, _SAVED)) or _is_saved(path):
        return "saved"
    has_images = False
    for each in walk(path):
        if os.path.basename(each) in METADATA:
            return "imagefolder"
        has_images = has_images or (is_image_name(each) and os.path.dirname(each) != path)
    return "class_folders" if has_images else None


def _is_saved(path: str) -> bool:
    return os.path.isfile(os.path.join(path, "state.json")) and any(
        name.endswith(".arrow") for name in os.listdir(path)
    )


def _folders(path: str) -> list[str]:
    return sorted(
        each.name for each in os.scandir(path) if each.is_dir() and not each.name.startswith(".")
    )


def _metadata_splits(path: str) -> list[str]:
    """Return the folders that are splits of an image folder: each has metadata of its own."""
    if any(os.path.isfile(os.path.join(path, name)) for name in METADATA):
        return []
    known = [each for each in _folders(path) if each.lower() in _SPLITS]
    return known if all(metadata_files(os.path.join(path, each)) for each in known) else []


def _class_splits(definition: Definition, path: str, name: str) -> list[str]:
    """Return the folders that are splits of classes: there are folders of images in each.

    A folder of photographs of trains is a class, though its name is that of a split.

    Raises:
        RawDataError: beside them are folders that are none.
    """
    folders = _folders(path)
    known = [each for each in folders if each.lower() in _SPLITS]
    if not known or not all(_folders(os.path.join(path, each)) for each in known):
        return []
    others = [
        each
        for each in folders
        if each not in known and any(map(is_image_name, walk(os.path.join(path, each))))
    ]
    if others:
        raise RawDataError(
            f"source {definition.name}: {name} holds the splits {', '.join(known)} and beside them "
            f"folders of images: {', '.join(others[:5])}; name the splits: files: "
            f"{{{known[0]}: {name}/{known[0]}}}"
        )
    return known
