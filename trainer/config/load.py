"""Configuration files: YAML, one more file that they may extend, and `key=value` from the command line.

All errors are reported at once, unknown keys with the nearest name.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from datagen.errors import nearest
from trainer.config.run import RunConfig
from trainer.errors import ConfigError

EXTENDS = "extends"


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration in `path`, changed by overrides such as `optimizer.steps=100`.

    A file with `extends: other.yaml` changes that file's keys (a path relative to its own). Values
    of overrides are YAML. A relative `deepspeed` path is sought beside the file that names it first.

    Raises:
        ConfigError: names every error.
    """
    file = Path(path)
    values = _read_extended(file)
    errors = []
    for override in overrides:
        try:
            _override(values, override)
        except ConfigError as error:
            errors.append(str(error))
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        errors += _sentences(error)
    if errors:
        raise ConfigError("\n".join([f"{file} cannot be used:", *(f"  {each}" for each in errors)]))
    return config


def _read_extended(file: Path) -> dict[str, Any]:
    values = _read(file)
    parent = values.pop(EXTENDS, None)
    if parent is None:
        return values
    base = _read(file.parent / str(parent))
    if EXTENDS in base:
        raise ConfigError(
            f"{file} extends {parent}, which extends another file: one level is enough"
        )
    return _merged(base, values)


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"no such configuration file: {file}; `visinstruct configs` lists those that are shipped"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} is not readable YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{file} holds no keys; see configs/nano_cpu.yaml")
    options = values.get("deepspeed")
    if isinstance(options, str) and (beside := file.parent / options).exists():
        values["deepspeed"] = str(beside)
    return values


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge sections key by key; one with `from` replaces the other as a whole."""
    merged = dict(base)
    for key, value in changes.items():
        is_section = isinstance(value, dict) and "from" not in value
        if is_section and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged


def _override(values: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"{text!r} is not key=value, such as optimizer.steps=100")
    *path, last = key.split(".")
    place = values
    for part in path:
        inner = place.setdefault(part, {})
        if not isinstance(inner, dict):
            inner = place[part] = {}
        place = inner
    try:
        place[last] = _scalar(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"{text!r}: {' '.join(str(error).split())}") from None


def _scalar(value: str) -> Any:
    """A YAML value; `1e-5`, which YAML takes for text, is a number."""
    parsed = yaml.safe_load(value)
    if isinstance(parsed, str):
        try:
            return float(parsed)
        except ValueError:
            return parsed
    return parsed


def _sentences(error: ValidationError) -> Iterator[str]:
    for each in error.errors():
        place = ".".join(str(part) for part in each["loc"])
        if each["type"] == "extra_forbidden":
            known = _keys_beside(each["loc"])
            last = str(each["loc"][-1])
            hint = nearest(last, known) or f"; known are {', '.join(known)}"
            yield f"{place}: unknown key{hint}"
        elif each["type"] == "missing":
            yield f"{place}: missing"
        else:
            message = each["msg"].removeprefix("Value error, ").lower()
            if not isinstance(each["input"], dict):  # of a whole section only the message
                message += f", not {each['input']!r}"
            yield f"{place}: {message}" if place else message


def _keys_beside(place: tuple[int | str, ...]) -> list[str]:
    """The keys that the section of an unknown key has."""
    kinds: list[Any] = [RunConfig]
    for part in place[:-1]:
        inner = [
            model.model_fields[str(part)].annotation
            for model in kinds
            if str(part) in model.model_fields
        ]
        kinds = [model for kind in inner for model in _models(kind)] or kinds
    return sorted({name for model in kinds for name in model.model_fields})


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation may stand for."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    elif get_origin(kind) in (Union, UnionType):
        for part in get_args(kind):
            yield from _models(part)
    elif hasattr(kind, "__metadata__"):
        yield from _models(get_args(kind)[0])
