import json
from pathlib import Path
from typing import Any

from datagen.sources.declared.load import json_schema

ROOT = Path(__file__).parents[2]


def without_descriptions(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k != "description" or not isinstance(v, str)}
        return {key: without_descriptions(each) for key, each in kept.items()}
    return [without_descriptions(each) for each in value] if isinstance(value, list) else value


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads((ROOT / "docs/reference/source_file.schema.json").read_text())
    assert without_descriptions(published) == without_descriptions(json_schema()), (
        "run: python docs/tools/make_source_schema.py"
    )
