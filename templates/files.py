"""Reads the YAML of template sets; what is wrong with a file becomes findings, not exceptions."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from templates.errors import Finding

MAX_FILE_BYTES = 1_000_000

Model = TypeVar("Model", bound=BaseModel)

_SEE = "see docs/add_a_template.md"


class Strict(BaseModel):
    """The layout of a file or of a part of one; unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse(path: Path, model: type[Model], findings: list[Finding]) -> Model | None:
    """The content of a file in the layout of `model`, or None and findings."""
    before = len(findings)
    data = read_yaml(path, path.name, findings)
    return None if len(findings) > before else validate(data, model, path.name, findings)


def read_yaml(path: Path, file: str, findings: list[Finding]) -> Any:
    """What a file holds; None and a finding about `file` where it is no YAML."""
    try:
        data = path.read_bytes()
        if len(data) > MAX_FILE_BYTES:
            raise ValueError(f"{len(data)} bytes, more than the {MAX_FILE_BYTES} allowed")
        return yaml.load(data, _Loader)  # noqa: S506 (a SafeLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        message = f"not readable: {' '.join(str(error).split())}"
        remedy = "write plain UTF-8 YAML, with quotes around every text that has {{ in it"
        findings.append(Finding(file, "yaml", message, remedy))
        return None


def validate(data: Any, model: type[Model], file: str, findings: list[Finding]) -> Model | None:
    """`data` in the layout of `model`, or None and a finding for every key at fault."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        findings += mistakes(error, file)
        return None


def mistakes(error: ValidationError, file: str, part: str = "") -> list[Finding]:
    """A finding for each key that pydantic refuses; `part` is the key above them."""
    found = []
    for mistake in error.errors():
        place = ".".join(map(str, (part, *mistake["loc"]) if part else mistake["loc"]))
        message = mistake["msg"].removeprefix("Value error, ")
        message = message[:1].lower() + message[1:]
        found.append(Finding(file, "layout", message, _SEE, field=place))
    return found


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses what hides a mistake: a key given twice, and aliases."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not used in template files")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key in (key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key in seen:
                raise yaml.YAMLError(f"key {key!r} is given twice{node.start_mark}")
            seen.add(key)
        return super().construct_mapping(node, deep)
