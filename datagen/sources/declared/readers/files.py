"""Finds the files that a definition names, and what format each has."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from glob import glob, has_magic

from datagen.errors import OptionError, RawDataError, nearest
from datagen.files import Files, hash_file, is_url
from datagen.sources.declared.definition import Definition, OneOrMore
from datagen.sources.declared.readers.data_file import (
    FORMATS,
    METADATA,
    format_of,
    unread_format,
    walk,
)
from datagen.sources.declared.readers.data_file import DataFile as DataFile
from datagen.sources.declared.readers.folder_parts import folder_parts
from datagen.sources.declared.readers.hub import hub_files
from datagen.sources.declared.readers.shards import expand


def find_files(definition: Definition, files: Files) -> list[DataFile]:
    """Return the data files of a source, each once, in the order of their splits and names.

    Raises:
        RawDataError: a file or folder is missing, a pattern matches nothing, or the format is unknown.
        OptionError: one file is in two splits, or a split is given to a folder of several.
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
        listed = [patterns] if isinstance(patterns, str) else patterns
        for pattern in (name for each in listed for name in expand(each)):
            for path in _match(definition, pattern, files):
                for data_file in _open(definition, path, split):
                    before = found.setdefault(data_file.path, data_file)
                    if before.split != data_file.split:
                        raise OptionError(
                            f"source {definition.name}: {data_file.name} is in the splits "
                            f"{before.split} and {data_file.split}; name it under one of them"
                        )
    return list(found.values())


def _match(definition: Definition, pattern: str, files: Files) -> list[str]:
    """Return the files or folders that a name or a glob stands for, sorted.

    Raises:
        RawDataError: there are none.
    """
    place = pattern if is_url(pattern) else os.path.join(definition.base, pattern)
    in_store = is_url(place)
    place = place if in_store else os.path.normpath(place)
    if files.exists(place) or (not in_store and os.path.isdir(place)):
        return [place]
    if has_magic(pattern):
        matched = files.match(place) if in_store else sorted(glob(place, recursive=True))
        if not matched:
            raise RawDataError(
                f"source {definition.name}: files {pattern!r} matches nothing in {definition.base}; "
                "paths are relative to the source file"
            )
        return matched
    folder, name = os.path.split(place)
    if in_store:
        why = ""
    elif os.path.isdir(folder or "."):
        why = nearest(name, os.listdir(folder or "."))
    else:
        why = f": the folder {folder} does not exist"
    raise RawDataError(
        f"source {definition.name}: there is no file {pattern!r} in {definition.base}{why}"
        + ("" if why else "; paths are relative to the source file")
    )


def _open(definition: Definition, path: str, split: str | None) -> Iterator[DataFile]:
    """Yield a file, or the parts of a folder."""
    in_store = is_url(path)
    name = path.removeprefix(f"{definition.base}/")
    name = name if in_store else os.path.relpath(path, definition.base)
    if not in_store and os.path.isdir(path):
        yield from folder_parts(definition, path, name, split)
        return
    kind = definition.format.type or format_of(name)
    if kind is None:
        why = unread_format(name)
        if why is not None:
            raise RawDataError(f"source {definition.name}: {name} {why}")
        raise RawDataError(
            f"source {definition.name}: the format of {name} does not follow from its name; give "
            f"format: {{type: ...}}, one of {', '.join(sorted(set(FORMATS.values())))}"
        )
    if (
        definition.format.type is None
        and name.lower().removesuffix(".gz").endswith(".txt")
        and definition.format.delimiter is None
    ):
        raise OptionError(
            f"source {definition.name}: {name} can be anything; say how its lines are parted: "
            'format: {type: csv, delimiter: "\\t"}, and header: [...] if it has none'
        )
    yield DataFile(path, name, split, kind)


def digest(files: Files, data_file: DataFile) -> tuple[int, str]:
    """Return the size and sha256 of a data file.

    Of a saved data set, those of its files; of a folder of images, those of the listing with sizes, and
    of the metadata files in it: the images are looked at for themselves.
    """
    if is_url(data_file.path) or not os.path.isdir(data_file.path):
        return hash_file(files, data_file.path)
    total, hashed = 0, hashlib.sha256()
    for path in walk(data_file.path):
        size = os.stat(path).st_size
        line = f"{os.path.relpath(path, data_file.path)}\0{size}"
        if data_file.format == "saved" or os.path.basename(path) in METADATA:
            line += f"\0{hash_file(files, path)[1]}"
        hashed.update(f"{line}\n".encode(errors="surrogateescape"))
        total += size
    return total, hashed.hexdigest()
