"""Mixture options from a YAML file and from `--set key=value` on the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from datagen.errors import OptionError, nearest
from datagen.mixture import FACTORS, MixtureOptions, check_sources
from templates.catalog import SOURCES


def read_mixture_options(file: str | None, sets: Sequence[str] = ()) -> MixtureOptions:
    """The options of `file`, changed by `sets` such as `rule=uniform` or `factors.okvqa=3`.

    Factors that are not named keep our defaults.

    Raises:
        OptionError: the file, a key or a value cannot be used.
    """
    values: dict[str, Any] = _read(file) if file else {}
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals:
            raise OptionError(f"--set {text!r} is not KEY=VALUE, such as rule=uniform")
        name, dot, source = key.partition(".")
        if name not in MixtureOptions.model_fields:
            raise OptionError(
                f"--set names unknown option {name!r}{nearest(name, MixtureOptions.model_fields)}; "
                f"known are {', '.join(MixtureOptions.model_fields)}"
            )
        if dot:
            part = values.setdefault(name, {})
            part[source] = value.split(",") if name == "splits" else value
        else:
            values[name] = value
    values["factors"] = {**FACTORS, **(values.get("factors") or {})}
    try:
        options = MixtureOptions.model_validate(values)
    except ValidationError as error:
        mistakes = [f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors()]
        raise OptionError(f"mixture options: {'; '.join(mistakes)}") from None
    check_sources(options, SOURCES)
    return options


def _read(file: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise OptionError(
            f"mixture file {file} cannot be read: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(values, dict):
        raise OptionError(f"mixture file {file} holds no options, write for example rule: sqrt")
    return values
