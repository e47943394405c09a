"""Files of a data set of the Hugging Face Hub: a local copy of its repository, or its cache."""

import os
from collections.abc import Iterator
from glob import glob
from typing import Any

import yaml

from datagen.errors import RawDataError, nearest
from datagen.files import Files
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.readers.data_file import DataFile

_SPLITS = {"validation": "val", "valid": "val", "dev": "val"}
_SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")


def hub_files(definition: Definition, files: Files) -> list[DataFile]:
    """Return the data files of `hub`, by split.

    Raises:
        RawDataError: the repository is neither here nor reachable, or lacks the configuration.
    """
    hub = definition.hub
    assert hub is not None
    folder = os.path.normpath(os.path.join(definition.base, hub.repo))
    if not os.path.isdir(folder):
        folder = _download(definition)
    found = list(_listed(definition, folder)) or list(_by_name(definition, folder))
    if not found:
        raise RawDataError(
            f"source {definition.name}: {hub.repo} holds no Parquet, JSON or CSV files of a configuration "
            f"{hub.config or 'default'!r}"
        )
    return found


def _download(definition: Definition) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    hub = definition.hub
    assert hub is not None
    try:
        return snapshot_download(hub.repo, repo_type="dataset", revision=hub.revision)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise RawDataError(
            f"source {definition.name}: {hub.repo!r} is no folder here, is not in the Hub's cache, and "
            f"cannot be downloaded: {str(error).splitlines()[0]}"
        ) from None


def _listed(definition: Definition, folder: str) -> Iterator[DataFile]:
    """Yield the files that the header of README.md lists for the configuration."""
    hub = definition.hub
    assert hub is not None
    configs = _configs(folder)
    if not configs:
        return
    names = [str(each.get("config_name", "default")) for each in configs]
    wanted = hub.config or ("default" if "default" in names else names[0])
    if hub.config is None and len(names) > 1 and "default" not in names:
        raise RawDataError(
            f"source {definition.name}: {hub.repo} has the configurations {', '.join(names)}; name one: "
            "hub: {config: ...}"
        )
    if wanted not in names:
        raise RawDataError(
            f"source {definition.name}: {hub.repo} has no configuration {wanted!r}"
            f"{nearest(wanted, names)}; it has {', '.join(names)}"
        )
    data_files = configs[names.index(wanted)].get("data_files")
    if isinstance(data_files, str | list) and not _are_entries(data_files):
        data_files = [{"split": "train", "path": data_files}]
    for entry in data_files or ():
        patterns = entry["path"] if isinstance(entry["path"], list) else [entry["path"]]
        for pattern in patterns:
            for path in sorted(glob(os.path.join(folder, pattern), recursive=True)):
                yield _data_file(definition, path, str(entry["split"]))


def _are_entries(data_files: Any) -> bool:
    return isinstance(data_files, list) and all(isinstance(each, dict) for each in data_files)


def _configs(folder: str) -> list[dict[str, Any]]:
    try:
        with open(os.path.join(folder, "README.md"), encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return []
    if not text.startswith("---"):
        return []
    try:
        header = yaml.safe_load(text.split("---", 2)[1])
    except yaml.YAMLError:
        return []
    configs = header.get("configs") if isinstance(header, dict) else None
    return [each for each in configs or () if isinstance(each, dict) and each.get("data_files")]


def _by_name(definition: Definition, folder: str) -> Iterator[DataFile]:
    """Yield the files in `data/` or `<config>/` whose names begin with their split."""
    hub = definition.hub
    assert hub is not None
    for place in (hub.config or "data", "data", "."):
        names = sorted(
            path
            for suffix in _SUFFIXES
            for path in glob(os.path.join(folder, place, f"*{suffix}"))
            if os.path.basename(path) != "dataset_infos.json"
        )
        if names:
            for path in names:
                stem = os.path.basename(path).partition(".")[0]
                yield _data_file(definition, path, stem.partition("-")[0].partition("_")[0])
            return


def _data_file(definition: Definition, path: str, split: str) -> DataFile:
    kind = "parquet" if path.endswith(".parquet") else path.rpartition(".")[2]
    name = os.path.relpath(path, definition.base)
    return DataFile(path, name, _SPLITS.get(split, split), kind)  # type: ignore[arg-type]
