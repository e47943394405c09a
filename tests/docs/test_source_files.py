"""Source files in the documentation: each is read, and parts of one are read within another."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from datagen.errors import Reason
from datagen.sources.declared.definition import Definition, TaskName
from datagen.sources.declared.load import parse_definitions
from datagen.sources.declared.presets import PRESETS
from datagen.sources.declared.protocol import protocol_content
from datagen.sources.declared.yaml_text import parse_documents

DOCS = Path(__file__).resolve().parents[2] / "docs"
REFERENCE = "reference/source_files.md"
TASK_NAMES = get_args(TaskName)
FORMATS = "how_to/from_other_formats.md"
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WHOLE = {
    "name": "pumps",
    "task": "vqa",
    "files": "pumps.csv",
    "columns": {"image": "image", "question": "question", "answers": "answer"},
}


def blocks(page: str) -> list[tuple[str, dict[str, Any]]]:
    """The YAML of a page, with its content."""
    texts = _BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    return [(text, yaml.safe_load(text)) for text in texts]


def source_files(page: str) -> list[str]:
    """The blocks of a page that are whole source files."""
    return [text for text, value in blocks(page) if {"name", "files"} <= {*value} or "hub" in value]


PAGES = [
    page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if source_files(str(page))
]


@pytest.mark.parametrize("page", PAGES)
def test_the_source_files_of_a_page_are_read(page: str) -> None:
    for text in source_files(page):
        (definition,) = parse_definitions(text, name=page)
        assert definition.name in text


def test_the_page_of_formats_has_a_source_file_of_each() -> None:
    text = (DOCS / FORMATS).read_text(encoding="utf-8")
    sections = text.count("\n## ") - 1  # less the last, which is of links
    assert len(source_files(FORMATS)) >= sections > 10
    presets = {value.get("preset") for _, value in blocks(FORMATS)}
    assert presets >= set(PRESETS)


@pytest.mark.parametrize("page", [REFERENCE, "reference/own_images.md"])
def test_the_parts_of_source_files_on_a_page_are_read(page: str) -> None:
    parts = [value for text, value in blocks(page) if text not in source_files(page)]
    assert parts
    for part in parts:
        assert parse_definitions(yaml.safe_dump(WHOLE | part), name=page)


def keys_of(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key of a source file that holds a value, with its field."""
    for name, field in model.model_fields.items():
        if field.exclude or (name in ("own_templates", "format", "hub") and above):
            continue
        key = above + (field.alias or name)
        kinds = get_args(field.annotation) or (field.annotation,)
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if inner and field.annotation not in inner and key != "join":  # optional: hub, hold_out
            inner = inner[:1]
        if not inner and name != "own_templates":
            yield key, field
        for each in inner:
            yield from keys_of(each, f"{key}.")


def test_the_reference_lists_every_key_with_its_default() -> None:
    text = (DOCS / REFERENCE).read_text(encoding="utf-8").partition("## Every key")[2]
    rows = re.findall(r"^\| `([\w.]+)` \|[^|]*\| ([^|]*?) ?\| [^|]+ \|$", text, re.MULTILINE)
    listed = {
        key: default for key, default in rows if key not in ("join", "join.format", "join.hub")
    }
    fields = dict(keys_of(Definition))
    assert list(listed) == list(fields)
    for key, field in fields.items():
        shown = listed[key]
        if field.is_required():
            assert shown == "required", key
        else:
            (parsed,) = parse_documents("value: " + shown.strip("`"))
            assert isinstance(parsed, dict)
            value = parsed["value"]
            default = field.get_default(call_default_factory=True)
            assert value == default or (default is None and shown == ""), key


def test_the_reference_lists_every_reason() -> None:
    text = (DOCS / REFERENCE).read_text(encoding="utf-8").partition("## Problems")[2]
    named = set(re.findall(r"`([a-z_]+)`", text))
    assert named >= {reason.value for reason in Reason} - {"no_question"}  # of the built-in sources


def test_the_reference_has_the_defaults_of_evaluation() -> None:
    text = (DOCS / REFERENCE).read_text(encoding="utf-8").partition("## Evaluation")[2]
    rows = re.findall(r"^\| (`\w+`.*?) \| (.*?) \| (\w+).*? \| `(\w+)` \|$", text, re.MULTILINE)
    (definition,) = parse_definitions(yaml.safe_dump(WHOLE))
    listed = []
    for tasks, prompt, method, metric in rows:
        for task in re.findall(r"`(\w+)`", tasks):
            listed.append(task)
            found = {"task": task, "split_names": ("train", "val")}
            content = protocol_content(definition.model_copy(update=found))
            assert content is not None
            rules = content["evaluation"]
            assert (method, metric) == (rules["method"], rules["metric"]), task
            for part in re.findall(r"`([^`]+)`", prompt):
                assert part in content["prompt"] or part in TASK_NAMES, task
    assert sorted(listed) == sorted(TASK_NAMES)
