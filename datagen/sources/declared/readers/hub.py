"""Files of a data set of the Hugging Face Hub: a local copy of its repository, or its cache."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from typing import Any

import yaml

from datagen.errors import RawDataError, nearest
from datagen.files import Files
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.readers.data_file import DataFile, format_of

_SPLITS = {"validation": "val", "valid": "val", "dev": "val", "training": "train"}
_KEYWORDS = re.compile(
    r"(?:^|[-._ \d/])(train|training|validation|valid|val|dev|test|testing|eval|evaluation)(?=[-._ \d/]|$)"
)
_SHARD = re.compile(r"(\w[\w.]*?)-\d{5}-of-\d{5}")
_HEADER = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_NO_ROWS = ("dataset_infos.json", "dataset_info.json", "config.json", "state.json")


@dataclass(frozen=True)
class _Repository:
    """The files of a repository on disk, and the names under which it is known."""

    definition: Definition
    folder: str
    name: str

    def data_file(self, path: str, split: str) -> DataFile:
        """Return a file of it.

        Raises:
            RawDataError: its format is not known.
        """
        below = os.path.relpath(path, self.folder)
        kind = self.definition.format.type or format_of(below)
        if kind is None:
            raise self.error(f"lists {below}, whose format is not known")
        name = os.path.normpath(f"{self.name}/{below}")
        return DataFile(path, name, _SPLITS.get(split, split), kind)

    def error(self, what: str) -> RawDataError:
        return RawDataError(f"source {self.definition.name}: {self.name} {what}")


def hub_files(definition: Definition, files: Files) -> list[DataFile]:
    """Return the data files of `hub`, by split.

    Those are what the header of README.md lists for the configuration, else files named after splits.

    Raises:
        RawDataError: the repository is neither here nor reachable, or lacks the configuration.
    """
    hub = definition.hub
    assert hub is not None
    folder = os.path.normpath(os.path.join(definition.base, hub.repo))
    if not os.path.isdir(folder):
        folder = _download(definition)
    repository = _Repository(definition, folder, hub.repo)
    found = list(_listed(repository, hub.config)) or list(_by_name(repository, hub.config))
    if found:
        return found
    scripts = [os.path.basename(each) for each in glob(os.path.join(folder, "*.py"))]
    why = (
        f"; it is made by a program ({scripts[0]}), which is not run: its Parquet files may be at "
        "hub: {revision: refs/convert/parquet}"
        if scripts
        else ""
    )
    held = ", ".join(sorted(os.listdir(folder))[:8]) or "nothing"
    raise repository.error(
        f"holds no data files of a configuration {hub.config or 'default'!r} but {held}{why}"
    )


def _download(definition: Definition) -> str:
    """Return the folder of a repository in the Hub's cache, after downloading what it lacks.

    Raises:
        RawDataError: it is not there and cannot be downloaded.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    hub = definition.hub
    assert hub is not None

    def download(patterns: Sequence[str]) -> str:
        return snapshot_download(
            hub.repo, repo_type="dataset", revision=hub.revision, allow_patterns=list(patterns)
        )

    try:
        folder = download(["README.md"])
        config = _config(_Repository(definition, folder, hub.repo), hub.config)
        wanted = [pattern for _, patterns in _entries(config) for pattern in patterns]
        return download(wanted or [f"{hub.config}/*" if hub.config else "*", "data/*"])
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        revision = f" at revision {hub.revision}" if hub.revision else ""
        raise RawDataError(
            f"source {definition.name}: {hub.repo!r}{revision} is no folder in {definition.base}, is "
            f"not in the Hub's cache, and cannot be downloaded: {_first_line(error)}"
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _listed(repository: _Repository, wanted: str | None) -> Iterator[DataFile]:
    """Yield the files that the header of README.md lists for the configuration.

    Raises:
        RawDataError: one of its patterns matches nothing.
    """
    config = _config(repository, wanted)
    for split, patterns in _entries(config):
        for pattern in patterns:
            place = os.path.join(repository.folder, pattern)
            found = sorted(each for each in glob(place, recursive=True) if os.path.isfile(each))
            if not found:
                raise repository.error(
                    f"lacks the files {pattern!r} of its split {split!r}; is the copy whole?"
                )
            for path in found:
                yield repository.data_file(path, split)


def _config(repository: _Repository, wanted: str | None) -> Mapping[str, Any]:
    """Return the configuration of the header, or an empty one if it lists none.

    Raises:
        RawDataError: the one that is wanted is not among them, or none is and there are several.
    """
    configs = _configs(repository.folder)
    names = [str(each.get("config_name", "default")) for each in configs]
    if not configs:
        return {}
    if wanted is None:
        default = next((each for each in configs if each.get("default")), None)
        if default is not None or len(configs) == 1:
            return default or configs[0]
        if "default" not in names:
            raise repository.error(
                f"has the configurations {', '.join(names)}; name one: hub: {{config: ...}}"
            )
        wanted = "default"
    if wanted not in names:
        raise repository.error(
            f"has no configuration {wanted!r}{nearest(wanted, names)}; it has {', '.join(names)}"
        )
    return configs[names.index(wanted)]


def _configs(folder: str) -> list[dict[str, Any]]:
    try:
        with open(os.path.join(folder, "README.md"), encoding="utf-8") as file:
            found = _HEADER.match(file.read())
        header = yaml.safe_load(found[1]) if found else None
    except (OSError, UnicodeError, yaml.YAMLError):
        return []
    configs = header.get("configs") if isinstance(header, dict) else None
    return [each for each in configs or () if isinstance(each, dict) and each.get("data_files")]


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
            and os.path.basename(path) not in _NO_ROWS
        )
        for path in found:
            yield repository.data_file(path, _split_of(os.path.relpath(path, folder)))
        if found:
            return


def _split_of(name: str) -> str:
    """Return the split of a file by its name, `train` if it says nothing."""
    shard = _SHARD.match(os.path.basename(name))
    if shard is not None:
        return shard[1]
    keywords = _KEYWORDS.findall(name.lower())
    return keywords[-1] if keywords else "train"
