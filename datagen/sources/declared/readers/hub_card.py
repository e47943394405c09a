"""Card of a Hub dataset, README.md: its header lists the files of configurations and the names of labels."""

import os
import re
from collections.abc import Mapping
from typing import Any

import yaml

CARD = "README.md"
_HEADER = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)


def configs(folder: str) -> list[dict[str, Any]]:
    """Return the configurations that a card lists with data files; none where it lists none."""
    found = read_header(folder).get("configs")
    return [each for each in found or () if isinstance(each, dict) and each.get("data_files")]


def read_header(folder: str) -> Mapping[str, Any]:
    """Return the YAML header of a card, empty where there is none that can be read."""
    try:
        with open(os.path.join(folder, CARD), encoding="utf-8") as file:
            found = _HEADER.match(file.read())
        header = yaml.safe_load(found[1]) if found else None
    except (OSError, UnicodeError, yaml.YAMLError):
        return {}
    return header if isinstance(header, dict) else {}


def labelled_features(folder: str, config: str | None) -> Mapping[str, Any]:
    """Return the columns with labels that the `dataset_info` of README.md has for a configuration.

    Files that `datasets` wrote have them too, others, such as CSV, have numbers alone.
    """
    infos = read_header(folder).get("dataset_info")
    infos = [
        each for each in (infos if isinstance(infos, list) else [infos]) if isinstance(each, dict)
    ]
    wanted = config or "default"
    chosen = [each for each in infos if str(each.get("config_name", "default")) == wanted]
    if not chosen and config is None and len(infos) == 1:
        chosen = infos
    features = chosen[0].get("features") if chosen else None
    found = {
        str(each["name"]): _feature(each)
        for each in (features if isinstance(features, list) else ())
        if isinstance(each, dict) and "name" in each
    }
    return {name: feature for name, feature in found.items() if "ClassLabel" in repr(feature)}


def _feature(entry: Mapping[str, Any]) -> Any:
    """Return a column of `dataset_info` as `datasets` describes it in files."""
    kind = entry.get("dtype")
    label = kind.get("class_label") if isinstance(kind, dict) else entry.get("class_label")
    if isinstance(label, dict):
        names = label.get("names")
        if isinstance(names, dict):
            names = [names[each] for each in sorted(names, key=int)]
        return {"_type": "ClassLabel", "names": [str(each) for each in names or ()]}
    for key in ("sequence", "list"):
        inner = entry.get(key)
        if isinstance(inner, dict):
            return {"_type": "Sequence", "feature": _feature(inner)}
        if isinstance(inner, list):
            return {"_type": "Sequence", "feature": _members(inner)}
    members = entry.get("struct")
    return _members(members) if isinstance(members, list) else {}


def _members(entries: list[Any]) -> dict[str, Any]:
    named = (each for each in entries if isinstance(each, dict) and "name" in each)
    return {str(each["name"]): _feature(each) for each in named}
