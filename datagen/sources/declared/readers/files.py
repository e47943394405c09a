"""Finds the files that a definition names, and what format each has."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from glob import glob

import yaml

from datagen.errors import OptionError, RawDataError, nearest
from datagen.files import Files, hash_file
from datagen.media.media import IMAGE_SUFFIXES
from datagen.sources.declared.definition import Definition, FormatName, OneOrMore
from datagen.sources.declared.readers.data_file import DataFile as DataFile
from datagen.sources.declared.readers.hub import hub_files

_FORMATS: Mapping[str, FormatName] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".tar": "webdataset",
    ".tar.gz": "webdataset",
    ".tgz": "webdataset",
}
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
SYSTEM_FILES = (".DS_Store", "Thumbs.db", "desktop.ini", ".gitkeep", ".gitattributes")
_HUB_SPLITS = {"train": "train", "validation": "val", "valid": "val", "dev": "val", "test": "test"}


def find_files(definition: Definition, files: Files) -> list[DataFile]:
    """Return the data files of a source, each once, in the order of their splits and names.

    Raises:
        RawDataError: a file or folder is missing, a pattern matches nothing, or the format is unknown.
        OptionError: one file is in two splits.
    """
    if definition.hub is not None:
        return hub_files(definition, files)
    named = definition.files
    assert named is not None
    wanted: list[tuple[str | None, OneOrMore]] = (
        list(named.items()) if isinstance(named, Mapping) else [(None, named)]
    )
    found: dict[str, DataFile] = {}
    for split, patterns in wanted:
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            for path in _match(definition, pattern, files):
                for data_file in _open(definition, path, split):
                    before = found.get(data_file.path)
                    if before is not None and before.split != data_file.split:
                        raise OptionError(
                            f"source {definition.name}: {data_file.name} is in the splits "
                            f"{before.split} and {data_file.split}"
                        )
                    found.setdefault(data_file.path, data_file)
    return list(found.values())


def _match(definition: Definition, pattern: str, files: Files) -> list[str]:
    """Return the files or folders that a name or a glob stands for, sorted.

    Raises:
        RawDataError: there are none.
    """
    place = (
        pattern if "://" in pattern else os.path.normpath(os.path.join(definition.base, pattern))
    )
    if any(character in pattern for character in "*?["):
        matched = files.match(place) if "://" in place else sorted(glob(place, recursive=True))
        if not matched:
            raise RawDataError(
                f"source {definition.name}: files {pattern!r} matches nothing in {definition.base}"
            )
        return matched
    if files.exists(place) or os.path.isdir(place):
        return [place]
    folder, name = os.path.split(place)
    beside = os.listdir(folder) if os.path.isdir(folder) else []
    where = f"{folder} does not exist" if not beside and not os.path.isdir(folder) else folder
    raise RawDataError(
        f"source {definition.name}: there is no file {pattern!r} ({where}){nearest(name, beside)}"
    )


def _open(definition: Definition, path: str, split: str | None) -> Iterator[DataFile]:
    """Yield a file, or the parts of a folder."""
    name = os.path.relpath(path, definition.base) if "://" not in path else path
    kind = definition.format.type
    if os.path.isdir(path):
        yield from _folder(definition, path, name, split, kind)
        return
    if kind is None:
        lowered = path.lower()
        stem = lowered.removesuffix(".gz")
        suffixes = sorted(_FORMATS, key=len, reverse=True)
        kind = next((_FORMATS[s] for s in suffixes if lowered.endswith(s)), None)
        kind = kind or next((_FORMATS[s] for s in suffixes if stem.endswith(s)), None)
        if kind is None:
            raise RawDataError(
                f"source {definition.name}: the format of {name} does not follow from its name; give "
                "format: {type: ...}: " + ", ".join(sorted(set(_FORMATS.values())))
            )
    yield DataFile(path, name, split, kind)


def _folder(
    definition: Definition, path: str, name: str, split: str | None, kind: FormatName | None
) -> Iterator[DataFile]:
    saved = os.path.join(path, "dataset_dict.json")
    if kind == "saved" or (kind is None and (os.path.isfile(saved) or _is_saved(path))):
        if os.path.isfile(saved):
            with open(saved, encoding="utf-8") as file:
                splits: list[str] = yaml.safe_load(file)["splits"]
            for each in splits:
                yield DataFile(os.path.join(path, each), name, split or each, "saved")
        else:
            yield DataFile(path, name, split, "saved")
        return
    if kind is None:
        kind = _folder_kind(path)
        if kind is None:
            raise RawDataError(
                f"source {definition.name}: {name} is a folder without dataset_dict.json, "
                f"{' or '.join(_METADATA)}, and without folders of images; it holds "
                f"{', '.join(sorted(os.listdir(path))[:8]) or 'nothing'}"
            )
    parts = _split_folders(path, kind)
    if split is None and parts:
        for each in parts:
            part = os.path.normpath(os.path.join(name, each))
            yield DataFile(os.path.join(path, each), part, each, kind)
        return
    yield DataFile(path, name, split, kind)


def _is_saved(path: str) -> bool:
    return os.path.isfile(os.path.join(path, "state.json")) and any(
        name.endswith(".arrow") for name in os.listdir(path)
    )


def _folder_kind(path: str) -> FormatName | None:
    has_images = False
    for _, _, names in os.walk(path):
        if any(name in _METADATA for name in names):
            return "imagefolder"
        has_images = has_images or any(map(is_image_name, names))
    return "class_folders" if has_images else None


def _split_folders(path: str, kind: FormatName) -> list[str]:
    """Return the folders below that are splits: `train` and those beside it."""
    names = sorted(entry.name for entry in os.scandir(path) if entry.is_dir())
    known = [name for name in names if name in ("train", *_HUB_SPLITS)]
    return known if "train" in known or (kind == "imagefolder" and known) else []


def is_image_name(name: str) -> bool:
    """Return True if a file's suffix is that of an image."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def walk(path: str) -> Iterator[str]:
    """Yield the files below a folder, sorted; those of the operating system are passed over."""
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(names):
            if name not in SYSTEM_FILES and not name.startswith("._"):
                yield os.path.join(folder, name)


def digest(files: Files, data_file: DataFile) -> tuple[int, str]:
    """Return the size and sha256 of a data file.

    Of a saved data set, those of its files; of a folder of images, those of the listing with sizes, and
    of the metadata files in it: the images are looked at for themselves.
    """
    if not os.path.isdir(data_file.path):
        return hash_file(files, data_file.path)
    total, hashed = 0, hashlib.sha256()
    for path in walk(data_file.path):
        size = os.stat(path).st_size
        line = f"{os.path.relpath(path, data_file.path)}\0{size}"
        if data_file.format == "saved" or os.path.basename(path) in _METADATA:
            line += f"\0{hash_file(files, path)[1]}"
        hashed.update(f"{line}\n".encode(errors="surrogateescape"))
        total += size
    return total, hashed.hexdigest()


def metadata_files(path: str) -> Sequence[str]:
    """Return the metadata files of an image folder, sorted."""
    return [each for each in walk(path) if os.path.basename(each) in _METADATA]
