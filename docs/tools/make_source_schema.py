"""Writes docs/reference/source_file.schema.json: the JSON schema of source files, for editors.

python docs/tools/make_source_schema.py
"""

import json
from pathlib import Path

from datagen.sources.declared.load import json_schema

PAGE = Path(__file__).parents[1] / "reference" / "source_file.schema.json"


def schema_text() -> str:
    """Return the content of the file."""
    return json.dumps(json_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(schema_text(), encoding="utf-8")
