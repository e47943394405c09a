"""Source files in the documentation: each is read, and parts of one are read within another."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from datagen.sources.declared.definition import Definition
from datagen.sources.declared.load import parse_definitions
from datagen.sources.declared.presets import PRESETS

DOCS = Path(__file__).resolve().parents[2] / "docs"
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


@pytest.mark.parametrize("page", ["reference/source_files.md", "reference/own_images.md"])
def test_the_parts_of_source_files_on_a_page_are_read(page: str) -> None:
    parts = [value for text, value in blocks(page) if text not in source_files(page)]
    assert parts
    for part in parts:
        assert parse_definitions(yaml.safe_dump(WHOLE | part), name=page)


def test_the_reference_names_every_key() -> None:
    text = (DOCS / "reference/source_files.md").read_text(encoding="utf-8")
    fields = Definition.model_fields
    keys = {field.alias or name for name, field in fields.items() if not field.exclude}
    missing = [key for key in keys - {"own_templates"} if not re.search(rf"\b{key}\b", text)]
    assert not missing
