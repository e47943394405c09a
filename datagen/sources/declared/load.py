"""Reading of source files: YAML to definitions, with every error of the file at once.

A file holds one source, or several, parted by lines of `---`. It is data alone: no tags that make
objects, no anchors; `true` and `false` are the only truth values, so that `yes`, `no`, `on` and `007`
are the texts that a user sees.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from datagen.errors import UserError, nearest
from datagen.sources.declared.columns import Column, ColumnError
from datagen.sources.declared.definition import Columns, Definition, SplitList
from datagen.sources.declared.mapping import RowMapping
from datagen.sources.declared.no_effect import keys_without_effect
from datagen.sources.declared.presets import PRESETS, read_preset
from datagen.sources.declared.task_columns import column_errors
from datagen.sources.declared.yaml_text import YamlError, parse_documents
from templates.tasks import SOURCES

MAX_FILE_BYTES = 1_000_000
RESERVED = frozenset(["all", "default"])
"""Names that are no ids of sources: `default` is the Hub's name for the training sources together."""
_INTERNAL = frozenset(["base", "split_names", "folders", "own_templates"])
_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}
"""LLaMA-Factory's names for the keys of `roles`."""
_IGNORED_TAGS = frozenset(["observation_tag", "function_tag"])


class SourceFileError(UserError):
    """A source file that cannot be used; the message lists every error."""


def read_definitions(path: str | Path) -> tuple[Definition, ...]:
    """Return the sources that a file declares, in its order.

    Raises:
        SourceFileError: names every error with its key.
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise SourceFileError(f"no such source file: {file}") from None
    except OSError as error:
        raise SourceFileError(f"{file} cannot be read: {error.strerror or error}") from None
    return parse_definitions(data, base=str(file.parent), name=str(file))


def parse_definitions(
    data: bytes | str, base: str = ".", name: str = "the source file"
) -> tuple[Definition, ...]:
    """Return the sources that the text of a file declares; `base` is the file's folder.

    Raises:
        SourceFileError: names every error with its key.
    """
    if len(data) > MAX_FILE_BYTES:
        raise SourceFileError(f"{name} has {len(data)} bytes, {MAX_FILE_BYTES} are allowed")
    try:
        documents = parse_documents(data)
    except YamlError as error:
        raise SourceFileError(f"{name} is no usable YAML: {error}") from None
    if not documents:
        raise SourceFileError(f"{name} declares no source; `visinstruct source draft` writes one")
    found: list[Definition] = []
    errors: list[str] = []
    for number, values in enumerate(documents, start=1):
        where = f"source {number}: " if len(documents) > 1 else ""
        problems: list[str] = []
        definition = _definition(values, base, problems)
        errors += [where + each for each in problems]
        if definition is not None:
            if any(definition.name == other.name for other in found):
                errors.append(f"{where}name: {definition.name!r} is declared twice in this file")
            found.append(definition)
    if errors:
        raise SourceFileError("\n".join([f"{name} cannot be used:", *(f"  {e}" for e in errors)]))
    return tuple(found)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of one source, by which editors complete and check source files."""
    schema = Definition.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "A source of visinstruct"
    schema["required"] = ["name"]  # a preset may give the others
    for name in _INTERNAL:
        schema["properties"].pop(name, None)
    schema["$defs"].pop("TemplateContent", None)  # of an internal key
    schema["properties"]["preset"] = {"enum": list(PRESETS), "title": "Preset"}
    roles = schema["$defs"]["Roles"]["properties"]
    roles |= {tag: {"title": key.title(), "type": "string"} for tag, key in _TAGS.items()}
    schema["properties"]["tags"] = {"$ref": "#/$defs/Roles"}
    return schema


def _definition(values: Any, base: str, errors: list[str]) -> Definition | None:
    """Return the definition in a document, or None and add its errors."""
    if not isinstance(values, dict):
        errors.append(f"keys and values are due, such as `name: pumps`, not {values!r:.80}")
        return None
    for name in _INTERNAL & values.keys():
        errors.append(f"{name}: unknown key{nearest(name, _keys_of([Definition]))}")
    given = {key: value for key, value in values.items() if key not in _INTERNAL}
    values = _merged(_preset(given, errors), given)
    _rename_tags(values, errors)
    try:
        definition = Definition.model_validate(values).model_copy(update={"base": base or "."})
    except ValidationError as error:
        errors += _sentences(error, values)
        return None
    errors += _name_errors(definition.name)
    errors += column_errors(definition)
    errors += keys_without_effect(definition, given)
    errors += _expression_errors(definition)
    return definition


def _preset(values: Mapping[str, Any], errors: list[str]) -> dict[str, Any]:
    name = values.get("preset")
    if name is None:
        return {}
    if not isinstance(name, str) or name not in PRESETS:
        hint = nearest(str(name), PRESETS)
        errors.append(f"preset: unknown preset {name!r}{hint}; there are {', '.join(PRESETS)}")
        return {}
    return read_preset(name)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes`, key by key; a null takes the base's key away."""
    merged = dict(base)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        elif value is None and key in merged:
            del merged[key]
        else:
            merged[key] = value
    return merged


def _rename_tags(values: dict[str, Any], errors: list[str]) -> None:
    """Take LLaMA-Factory's `tags`, and their names within `roles`, as roles."""
    tags, roles = values.pop("tags", None), values.get("roles")
    if isinstance(tags, dict):
        roles = {**(roles if isinstance(roles, dict) else {}), **tags}
    elif tags is not None:
        errors.append(
            "tags: keys with values are due, such as role_tag; tags of records are columns.tags"
        )
    if not isinstance(roles, dict):
        return
    renamed: dict[str, Any] = {}
    for key, value in roles.items():
        if key in _IGNORED_TAGS:
            errors.append(
                f"roles.{key}: turns of tools are not supported; rows with them are rejected"
            )
            continue
        name = _TAGS.get(key, key)
        is_list = name in ("user", "assistant", "system") and not isinstance(value, list)
        renamed[str(name)] = [value] if is_list else value
    values["roles"] = renamed


def _name_errors(name: str) -> Iterator[str]:
    if name in SOURCES:
        yield f"name: {name!r} is one of the 26 sources; choose another, such as 'my_{name}'"
    elif name in RESERVED:
        yield f"name: {name!r} is reserved; choose another, such as 'my_{name}'"


def _expression_errors(definition: Definition) -> Iterator[str]:
    """Yield an error for every column that cannot be read as a name or an expression."""
    named: list[tuple[str, Any]] = [
        (f"columns.{name}", getattr(definition.columns, name)) for name in Columns.model_fields
    ]
    named += [("json", definition.json_columns), ("python_lists", definition.python_lists)]
    named += [("each", definition.each)]
    if definition.hold_out is not None and definition.hold_out.by != "image":
        named.append(("hold_out.by", definition.hold_out.by))
    wrong = False
    for key, value in named:
        if isinstance(value, str):
            entries = {key: value}
        elif isinstance(value, Mapping):
            entries = {f"{key}.{name}": each for name, each in value.items()}
        else:
            entries = {f"{key}.{place}": each for place, each in enumerate(value or ())}
        for place, each in entries.items():
            try:
                Column(each)
            except ColumnError as error:
                wrong = True
                yield f"{place}: {error}"
    if not wrong:
        has_lists = any(isinstance(each, SplitList) for each in definition.splits.values())
        without_lists = definition.model_copy(update={"splits": {}})  # which need not be there yet
        try:
            RowMapping(without_lists if has_lists else definition)
        except UserError as error:
            yield str(error)


def _sentences(error: ValidationError, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield each error once, with the path of its key; of a union, what fits the value best."""
    by_place: dict[str, list[str]] = {}
    kinds: dict[str, list[str]] = {}
    for each in error.errors():
        path = _path_in(values, each["loc"], each["type"])
        place = ".".join(map(str, path))
        kind = each["type"]
        if kind == "extra_forbidden":
            known = _keys_beside(path)
            hint = nearest(str(path[-1]), known) or f"; known are {', '.join(known)}"
            by_place.setdefault(place, []).append(f"unknown key{hint}")
        elif kind == "missing":
            by_place.setdefault(place, []).append("missing")
        elif kind.endswith("_type") and kind in _KINDS:
            kinds.setdefault(place, []).append(_KINDS[kind])
        else:
            message = each["msg"].removeprefix("Value error, ")
            message = message[:1].lower() + message[1:]
            shown = (
                ""
                if isinstance(each["input"], dict) or not place
                else f", not {each['input']!r:.80}"
            )
            by_place.setdefault(place, []).append(message + shown)
    for place, names in kinds.items():
        deeper = any(other == place or other.startswith(f"{place}.") for other in by_place)
        deeper = deeper or any(other.startswith(f"{place}.") for other in kinds)
        if not deeper:
            due = " or ".join(dict.fromkeys(names))
            by_place[place] = [f"{due} is due, not {_shown(_at(values, place))}"]
    for place, messages in by_place.items():
        for message in dict.fromkeys(messages):
            yield f"{place}: {message}" if place else message


_KINDS = {
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "keys with values",
    "mapping_type": "keys with values",
    "model_type": "keys with values",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return f"{str(value).lower()}; put it in quotes if it is meant as a text"
    return "null" if value is None else f"{value!r:.80}"


def _at(values: Any, place: str) -> Any:
    for part in place.split(".") if place else ():
        if isinstance(values, Mapping):
            values = values.get(part)
        elif isinstance(values, list) and part.isdecimal():
            values = values[int(part)]
    return values


def _path_in(value: Any, location: tuple[int | str, ...], kind: str) -> list[int | str]:
    """Return the keys of an error's location, less pydantic's names for branches of a union."""
    path: list[int | str] = []
    for part in location:
        try:
            value = value[part]
            path.append(part)
        except (KeyError, IndexError, TypeError):
            if kind == "missing" and part == location[-1]:
                path.append(part)
    return path


def _keys_beside(path: list[int | str]) -> list[str]:
    """Return the keys that the section of an unknown key has."""
    models: list[type[BaseModel]] = [Definition]
    for part in path[:-1]:
        inner = [field.annotation for model in models if (field := _field(model, part))]
        models = [found for kind in inner for found in _models(kind)] or models
    return _keys_of(models)


def _field(model: type[BaseModel], key: int | str) -> Any:
    for name, field in model.model_fields.items():
        if key in (name, field.alias):
            return field
    return None


def _keys_of(models: Iterable[type[BaseModel]]) -> list[str]:
    names = {field.alias or name for model in models for name, field in model.model_fields.items()}
    return sorted(names - _INTERNAL)


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in an annotation, those of lists and mappings too."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    elif get_origin(kind) in (Union, UnionType, list, Mapping) or get_args(kind):
        for part in get_args(kind):
            yield from _models(part)
