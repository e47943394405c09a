"""Reading the YAML of template sets. An error in a file becomes a finding, not an exception."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from templates.errors import Finding

MAX_FILE_BYTES = 1_000_000
MAX_FAST_NESTING = 1_000
_MAY_ALIAS = re.compile(rb"(?:^|[\s\[{,:?-])\*\S|\0")
"""`*` where a value may begin; of UTF-16 it is not known."""

Model = TypeVar("Model", bound=BaseModel)

_SEE = "see docs/how_to/add_a_template.md"


class Strict(BaseModel):
    """Layout of a file or of a part of one; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse(path: Path, model: type[Model], findings: list[Finding]) -> Model | None:
    """Return the content of a file in the layout of `model`, or None and add findings."""
    before = len(findings)
    data = read_yaml(path, path.name, findings)
    return None if len(findings) > before else validate(data, model, path.name, findings)


def read_yaml(path: Path, file: str, findings: list[Finding]) -> Any:
    """Return the content of a YAML file, or None and add a finding about `file`."""
    try:
        data = path.read_bytes()
        if len(data) > MAX_FILE_BYTES:
            raise ValueError(f"{len(data)} bytes, more than the {MAX_FILE_BYTES} allowed")
        return _load(data)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        message = f"not readable: {' '.join(str(error).split())}"
        remedy = "write plain UTF-8 YAML, with quotes around every text that has {{ in it"
        findings.append(Finding(file, "yaml", message, remedy))
        return None


def validate(data: Any, model: type[Model], file: str, findings: list[Finding]) -> Model | None:
    """Return `data` in the layout of `model`, or None and add a finding for each invalid key."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        findings += layout_findings(error, file)
        return None


def layout_findings(error: ValidationError, file: str, part: str = "") -> list[Finding]:
    """Return a finding for each key that pydantic refuses; `part` is the key above them."""
    found = []
    for each in error.errors():
        place = ".".join(map(str, (part, *each["loc"]) if part else each["loc"]))
        message = each["msg"].removeprefix("Value error, ")
        message = message[:1].lower() + message[1:]
        found.append(Finding(file, "layout", message, _SEE, field=place))
    return found


def _load(data: bytes) -> Any:
    """Return the content of a document; libyaml's parser is ten times as fast as PyYAML's.

    Where it finds an error, PyYAML's parser says what is wrong. It is not given documents that may nest deeply,
    since its recursion has no limit, or use aliases, which it cannot refuse.
    """
    nesting = sum(map(data.count, (b"[", b"{", b"-", b"?")))
    if _FastLoader is not None and nesting < MAX_FAST_NESTING and not _MAY_ALIAS.search(data):
        with suppress(yaml.YAMLError):
            return yaml.load(data, _FastLoader)  # noqa: S506 (a SafeLoader)
    return yaml.load(data, _Loader)  # noqa: S506 (a SafeLoader)


class _UniqueKeys(yaml.constructor.SafeConstructor):
    """Refuses repeated keys, which hide errors."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key in (key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key in seen:
                raise yaml.YAMLError(f"key {key!r} is given twice{node.start_mark}")
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Loader(_UniqueKeys, yaml.SafeLoader):
    """Safe YAML loader that refuses repeated keys and aliases, which hide errors."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not used in template files")
        return super().compose_node(parent, index)


_FastLoader: type[yaml.CSafeLoader] | None = None
if yaml.__with_libyaml__:

    class _LibyamlLoader(_UniqueKeys, yaml.CSafeLoader):
        pass

    _FastLoader = _LibyamlLoader
