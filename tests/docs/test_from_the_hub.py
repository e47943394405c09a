"""The table of mirrors in the documentation is what their files say."""

import importlib.util
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "docs/tools/make_hub_table.py"


def test_the_table_of_mirrors_is_what_their_files_say() -> None:
    spec = importlib.util.spec_from_file_location("make_hub_table", TOOL)
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = tool.PAGE.read_text(encoding="utf-8")
    assert text == tool.page_text(text), "run python docs/tools/make_hub_table.py"
    assert tool.table().count("\n| `") == 26
