"""Write the map of the code, `docs/architecture.md`, from the docstrings of packages and modules.

    python docs/tools/make_architecture.py

A test compares the file with what this script makes; `make architecture` writes it again.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/architecture.md"
PACKAGES = ("visinstruct", "templates", "datagen", "trainer", "pipelines", "configs", "benchmarks")
"""In the order of the page; the second to fifth follow the data."""

INTRODUCTION = """\
# Map of the code

<!-- Made by docs/tools/make_architecture.py from the docstrings; `make architecture` writes it again. -->

Each folder's text says what lives there and what it may import; import-linter checks it. Imports go one way:
`pipelines -> trainer -> datagen -> templates`, with `visinstruct` beside `pipelines`. The tests mirror this tree under
`tests/`. [Data flow](explanation/data_flow.md) shows how a row travels through it.
"""


def architecture(root: Path = ROOT) -> str:
    """Return the page.

    Raises:
        ValueError: a package or module has no docstring.
    """
    sections = [INTRODUCTION]
    for package in PACKAGES:
        for folder in _folders(root / package):
            depth = len(folder.relative_to(root).parts)
            sections.append("\n".join(_section(root, folder, "#" * (depth + 1))) + "\n")
    return "\n".join(sections)


def _folders(folder: Path) -> Iterator[Path]:
    """Yield a package and those below it."""
    yield folder
    for below in sorted(folder.iterdir()):
        if (below / "__init__.py").is_file():
            yield from _folders(below)


def _section(root: Path, folder: Path, heading: str) -> Iterator[str]:
    yield f"{heading} `{folder.relative_to(root)}/`"
    yield ""
    yield _prose(folder / "__init__.py")
    modules = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    if modules:
        yield ""
        yield "| module | |"
        yield "|---|---|"
    for path in modules:
        yield f"| `{path.stem}` | {_first_sentence(path)} |"


def _docstring(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not text:
        raise ValueError(f"{path} has no docstring; say in it what the module is")
    return text


def _prose(path: Path) -> str:
    """Return a docstring's paragraphs of prose, without examples."""
    paragraphs = _docstring(path).split("\n\n")
    prose = [each for each in paragraphs if not each.startswith((" ", "Example", "Raises"))]
    return "\n\n".join(prose)


def _first_sentence(path: Path) -> str:
    first = " ".join(_docstring(path).split("\n\n")[0].split())
    return first.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(architecture(), encoding="utf-8")
