"""Mixture options from a YAML file and from `--set key=value` on the command line."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from datagen.build.plan import check_answers
from datagen.errors import OptionError, nearest
from datagen.mixture import FACTORS, MixtureOptions, check_sources, mix
from datagen.sources import load_source, source_ids

PER_SOURCE = {"factors": "factors.okvqa=2", "splits": "splits.vqav2=train,val"}
"""Options with a value for each source, and an example."""


def read_mixture_options(
    file: str | None,
    sets: Sequence[str] = (),
    base: Mapping[str, Any] | None = None,
    built: Collection[str] | None = None,
    own: Collection[str] = (),
) -> MixtureOptions:
    """Return the options of `file`, changed by `sets` such as `rule=uniform` or `factors.okvqa=3`.

    Factors that are not named keep our defaults. `base` stands for the file where none is given. Sources that
    the file or `sets` name must be trained on: held-in or `own`, and in `built` where that is given.

    Raises:
        OptionError: the file, a key or a value cannot be used.
    """
    values: dict[str, Any] = dict(base or {}) if file is None else _read(file)
    in_file = {} if file is None else dict(values)
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
        if dot and name not in PER_SOURCE:
            raise OptionError(f"--set {text!r}: {name} is one value for all sources, not for one")
        if dot:
            _check_trained(source, built, own)
            part = values[name] = dict(_by_source(name, values.get(name)))
            part[source] = value.split(",") if name == "splits" else value
        else:
            values[name] = value
    unknown = [str(key) for key in values if key not in MixtureOptions.model_fields]
    if unknown:
        fields = MixtureOptions.model_fields
        suggestions = (f"{key!r}{nearest(key, fields)}" for key in unknown)
        raise OptionError(
            f"mixture options: unknown {'; '.join(suggestions)}; known are {', '.join(fields)}"
        )
    values["factors"] = {**FACTORS, **_by_source("factors", values.get("factors"))}
    try:
        options = MixtureOptions.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}, not {e['input']!r}"
            for e in error.errors()
        ]
        raise OptionError(f"mixture options: {'; '.join(problems)}") from None
    for source in (s for name in PER_SOURCE for s in _by_source(name, in_file.get(name))):
        _check_trained(str(source), own=own)
    check_mixture(options, own)
    return options


def _check_trained(
    source: str, built: Collection[str] | None = None, own: Collection[str] = ()
) -> None:
    """Refuse a source that no mixture draws from, or that `built` lacks.

    Raises:
        OptionError: with the nearest name.
    """
    trained = [name for name in source_ids() if load_source(name).card.held_in]
    trained += own
    known = trained if built is None else [name for name in trained if name in built]
    if source in known:
        return
    if source not in (*source_ids(), *own):
        problem = f"mixture names unknown source {source!r}{nearest(source, known)}"
    elif source not in trained:
        problem = f"mixture names {source}, which is held out and never trained on"
    else:
        problem = f"mixture names {source}, which the dataset does not hold"
    raise OptionError(f"{problem}; trained on are {', '.join(known)}")


def check_mixture(options: MixtureOptions, own: Collection[str] = ()) -> None:
    """Refuse sources and splits that do not exist or have no answers, and factors that cannot be used.

    Raises:
        OptionError: one of them; names it.
    """
    check_sources(options, dict.fromkeys((*source_ids(), *own)))
    mix({}, options)
    for source in set(options.splits) & set(source_ids()):
        known = load_source(source).split_names()
        for split in options.splits[source]:
            if split not in known:
                raise OptionError(
                    f"mixture names unknown split {split!r} of {source}{nearest(split, known)}; "
                    f"known are {', '.join(known)}"
                )
        check_answers(load_source(source), options.splits[source])


def _by_source(name: str, value: Any) -> Mapping[str, Any]:
    if value is None or isinstance(value, dict):
        return value or {}
    raise OptionError(f"mixture option {name} is given by source, such as {PER_SOURCE[name]}")


def _read(file: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise OptionError(
            f"mixture file {file} cannot be read: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(values, dict):
        raise OptionError(f"mixture file {file} holds no options, write for example rule: sqrt")
    return values
