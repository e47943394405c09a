"""Files of a data set of the Hugging Face Hub: a local copy of its repository, or its cache."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from glob import glob, has_magic
from itertools import takewhile
from typing import Any

from datagen.errors import RawDataError, nearest
from datagen.files import Files
from datagen.sources.declared.definition import Definition, FormatName, Hub, OneOrMore, media_folder
from datagen.sources.declared.readers.data_file import (
    METADATA,
    DataFile,
    format_of,
    is_image_name,
    split_name,
)
from datagen.sources.declared.readers.folder_parts import folder_kind, folder_parts
from datagen.sources.declared.readers.hub_cache import UnreachableError, Wanted, snapshot
from datagen.sources.declared.readers.hub_card import configs, labelled_features

_KEYWORDS = re.compile(
    r"(?:^|[-._ \d/])(train|training|validation|valid|val|dev|test|testing|eval|evaluation)(?=[-._ \d/]|$)"
)
_SHARD = re.compile(r"(\w[\w.]*?)-\d{5}-of-\d{5}")
_NO_ROWS = ("dataset_infos.json", "dataset_info.json", "config.json", "state.json")


@dataclass(frozen=True)
class _Repository:
    """The files of a repository on disk, and the names under which it is known."""

    definition: Definition
    folder: str
    name: str

    def data_file(self, path: str, split: str | None) -> DataFile:
        """Return a file of it.

        Raises:
            RawDataError: its format is not known.
        """
        below = os.path.relpath(path, self.folder)
        kind = self.definition.format.type or format_of(below)
        if kind is None:
            raise self.error(f"lists {below}, whose format is not known")
        name = os.path.normpath(f"{self.name}/{below}")
        return DataFile(path, name, None if split is None else split_name(split), kind)

    def check_images(self, folder: str) -> None:
        """Refuse images that are not where rows may name them, as in the Hub's cache.

        Raises:
            RawDataError: says how to download them elsewhere.
        """
        root = media_folder(self.definition, self.definition.images)
        if os.path.relpath(folder, root).startswith(os.pardir):
            raise self.error(
                f"holds images as files, in {self.folder}, which is not below {root}; download it with `hf "
                f"download {self.name} --repo-type dataset --local-dir FOLDER`, and write hub: {{repo: FOLDER}}"
            )

    def error(self, what: str) -> RawDataError:
        return RawDataError(f"source {self.definition.name}: {self.name} {what}")


def hub_files(definition: Definition, files: Files) -> list[DataFile]:
    """Return the data files of `hub`, by split.

    Those are what `hub.files` names or the header of README.md lists for the configuration, else files
    named after splits.

    Raises:
        RawDataError: the repository is neither here nor reachable, or lacks a file, a split or the configuration.
    """
    hub = definition.hub
    assert hub is not None
    folder = folder_of(definition, hub)
    if not os.path.isdir(folder):
        try:
            folder = snapshot(hub.repo, hub.revision, wanted_files(definition, hub)).folder
        except UnreachableError as error:
            revision = f" at revision {hub.revision}" if hub.revision else ""
            raise RawDataError(
                f"source {definition.name}: {hub.repo!r}{revision} is no folder in {definition.base}, "
                f"is not in the Hub's cache, and cannot be downloaded: {error}"
            ) from None
    repository = _Repository(definition, folder, hub.repo)
    return list(_found(repository, hub))


def folder_of(definition: Definition, hub: Hub) -> str:
    """Return the folder of a local copy of a repository, which need not be there."""
    known = definition.folders.get(f"{hub.repo}@{hub.revision or ''}")
    return known or os.path.normpath(os.path.join(definition.base, hub.repo))


def wanted_files(definition: Definition, hub: Hub) -> Wanted:
    """Return what tells, from the README.md of a repository, the patterns of the files that are needed."""

    def wanted(folder: str) -> list[str]:
        if hub.files is not None:
            return [pattern for _, patterns in _by_split(hub.files) for pattern in patterns]
        repository = _Repository(definition, folder, hub.repo)
        found = []
        for split, config in _configs_of(hub):
            entries = list(_entries(_config(repository, config)))
            found += [
                pattern
                for own, patterns in entries
                if _is_wanted(hub, split or own)
                for pattern in patterns
            ]
            if not entries:
                found += [f"{config}/*" if config else "*", "data/*"]
        return found

    return wanted


def _found(repository: _Repository, hub: Hub) -> Iterator[DataFile]:
    if hub.files is not None:
        named = _by_split(hub.files)
        features = labelled_features(repository.folder, None)
        _check_splits(repository, hub, [split for split, _ in named])
        for name, patterns in named:
            for pattern in patterns if _is_wanted(hub, name) else ():
                for path in _matched(repository, pattern, name):
                    yield replace(repository.data_file(path, name), features=features or None)
        return
    if isinstance(hub.config, Mapping):
        _check_splits(repository, hub, hub.config)
    for name, config in _configs_of(hub):
        found = list(_listed(repository, config, hub, name))
        if not found:
            found = list(_by_name(repository, config)) or list(_image_folder(repository, config))
            if name is None:
                _check_splits(repository, hub, [each.split for each in found])
        if not found:
            raise _without_files(repository, config)
        features = labelled_features(repository.folder, config)
        if features:
            found = [replace(each, features=features) for each in found]
        named_alike = (each if name is None else replace(each, split=name) for each in found)
        yield from (each for each in named_alike if _is_wanted(hub, each.split))


def _configs_of(hub: Hub) -> list[tuple[str | None, str | None]]:
    """Return the configurations to read, each with the split that it is, None if it holds several."""
    if not isinstance(hub.config, Mapping):
        return [(None, hub.config)]
    return [(split, config) for split, config in hub.config.items() if _is_wanted(hub, split)]


def _by_split(files: OneOrMore | Mapping[str, OneOrMore]) -> list[tuple[str | None, list[str]]]:
    """Return names of files with the split that they are given for, None where there is none."""
    named = list(files.items()) if isinstance(files, Mapping) else [(None, files)]
    return [(split, [each] if isinstance(each, str) else list(each)) for split, each in named]


def _is_wanted(hub: Hub, split: str | None) -> bool:
    return hub.splits is None or split is None or split_name(split) in map(split_name, hub.splits)


def _check_splits(repository: _Repository, hub: Hub, known: Iterable[str | None]) -> None:
    """Refuse `hub.splits` that the repository, with the splits `known`, does not have.

    Raises:
        RawDataError: names one.
    """
    there = list(dict.fromkeys(split_name(each) for each in known if each is not None))
    for split in hub.splits or () if there else ():
        if split_name(split) not in there:
            raise repository.error(
                f"has no split {split!r}{nearest(split, there)}; it has {', '.join(there)}"
            )


def _without_files(repository: _Repository, config: str | None) -> RawDataError:
    folder = repository.folder
    scripts = [os.path.basename(each) for each in glob(os.path.join(folder, "*.py"))]
    why = (
        f"; it is made by a program ({scripts[0]}), which is not run: its Parquet files may be at "
        "hub: {revision: refs/convert/parquet}"
        if scripts
        else ""
    )
    held = ", ".join(sorted(os.listdir(folder))[:8]) or "nothing"
    return repository.error(
        f"holds no data files of a configuration {config or 'default'!r} but {held}{why}"
    )


def _listed(
    repository: _Repository, wanted: str | None, hub: Hub, name: str | None
) -> Iterator[DataFile]:
    """Yield the files that the header of README.md lists for the configuration, which is the split `name`.

    Raises:
        RawDataError: one of its patterns matches nothing.
    """
    config = _config(repository, wanted)
    entries = list(_entries(config))
    if name is None:
        _check_splits(repository, hub, [split for split, _ in entries])
    for split, patterns in entries:
        for pattern in patterns if _is_wanted(hub, name or split) else ():
            paths = _matched(repository, pattern, split)
            if any(map(is_image_name, paths)):
                yield _listed_images(repository, pattern, paths, split)
                continue
            for path in paths:
                yield repository.data_file(path, split)


def _listed_images(
    repository: _Repository, pattern: str, paths: Sequence[str], split: str
) -> DataFile:
    """Return the folder of images that a pattern such as `train/**` means.

    Raises:
        RawDataError: the images lie outside the folder that paths are relative to.
    """
    parts = list(takewhile(lambda part: not has_magic(part), pattern.split("/")))
    below = "/".join(parts if len(parts) < pattern.count("/") + 1 else parts[:-1])
    folder = os.path.join(repository.folder, below)
    repository.check_images(folder)
    described = any(os.path.basename(each) in METADATA for each in paths)
    name = os.path.normpath(os.path.join(repository.name, below))
    kind: FormatName = "imagefolder" if described else "class_folders"
    return DataFile(folder, name, split_name(split), kind)


def _matched(repository: _Repository, pattern: str, split: str | None) -> list[str]:
    """Return the files that a pattern matches, sorted.

    Raises:
        RawDataError: there are none.
    """
    place = os.path.join(repository.folder, pattern)
    found = sorted(each for each in glob(place, recursive=True) if os.path.isfile(each))
    if not found:
        of = f" of its split {split!r}" if split else ""
        raise repository.error(f"lacks the files {pattern!r}{of}; is the copy whole?")
    return found


def _config(repository: _Repository, wanted: str | None) -> Mapping[str, Any]:
    """Return the configuration of the header, or an empty one if it lists none.

    Raises:
        RawDataError: the one that is wanted is not among them, or none is and there are several.
    """
    listed = configs(repository.folder)
    names = [str(each.get("config_name", "default")) for each in listed]
    if not listed:
        return {}
    if wanted is None:
        default = next((each for each in listed if each.get("default")), None)
        if default is not None or len(listed) == 1:
            return default or listed[0]
        if "default" not in names:
            raise repository.error(
                f"has the configurations {', '.join(names)}; name one: hub: {{config: ...}}"
            )
        wanted = "default"
    if wanted not in names:
        raise repository.error(
            f"has no configuration {wanted!r}{nearest(wanted, names)}; it has {', '.join(names)}"
        )
    return listed[names.index(wanted)]


def _entries(config: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield the splits of a configuration with their patterns, as `datasets` reads `data_files`."""
    data_files = config.get("data_files") or []
    folder = str(config.get("data_dir") or "")
    if isinstance(data_files, Mapping):
        data_files = [{"split": key, "path": value} for key, value in data_files.items()]
    elif isinstance(data_files, str) or any(isinstance(each, str) for each in data_files):
        data_files = [{"split": "train", "path": data_files}]
    for entry in data_files:
        paths = entry.get("path", [])
        patterns = [paths] if isinstance(paths, str) else paths
        yield (
            str(entry.get("split", "train")),
            [os.path.join(folder, str(pattern)) for pattern in patterns],
        )


def _by_name(repository: _Repository, config: str | None) -> Iterator[DataFile]:
    """Yield the files of `<config>/`, `data/` or the repository itself, by the split in their names."""
    for place in (config, "data", ""):
        if place is None or (place == "" and config is not None):
            continue
        folder = os.path.join(repository.folder, place)
        found = sorted(
            path
            for path in glob(os.path.join(folder, "**" if place else "", "*"), recursive=True)
            if os.path.isfile(path)
            and format_of(path) is not None
            and not path.endswith(".txt")
            and os.path.basename(path) not in (*_NO_ROWS, *METADATA)
        )
        for path in found:
            yield repository.data_file(path, _split_of(os.path.relpath(path, folder)))
        if found:
            return


def _image_folder(repository: _Repository, config: str | None) -> Iterator[DataFile]:
    """Yield the folders of a repository that holds nothing but images, sorted or described by metadata files.

    Raises:
        RawDataError: the images lie outside the folder that paths are relative to.
    """
    definition = repository.definition
    for place in (config, "data", ""):
        path = os.path.join(repository.folder, place or "")
        if place is None or not os.path.isdir(path) or folder_kind(path) is None:
            continue
        repository.check_images(path)
        name = os.path.normpath(os.path.join(repository.name, place))
        yield from folder_parts(definition, path, name, None)
        return


def _split_of(name: str) -> str:
    """Return the split of a file by its name, `train` if it says nothing."""
    shard = _SHARD.match(os.path.basename(name))
    if shard is not None:
        return shard[1]
    keywords = _KEYWORDS.findall(name.lower())
    return keywords[-1] if keywords else "train"
