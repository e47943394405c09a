"""The files of a package that offers one source: its adapter with the card, a test, metadata, a page to read first.

The adapter reads a plain JSON list of rows and passes its own test. Change it, test first, until it reads the
files of your data.
"""

import re
from keyword import iskeyword
from pathlib import Path

from datagen.errors import OptionError
from datagen.sources import ENTRY_POINTS, source_ids
from pipelines.cli.scaffold.source_forms import CATEGORIES, FORMS, Form


def check_name(name: str) -> None:
    """Refuse a name that cannot be a module, or is a source's already.

    Raises:
        OptionError: names the reason.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or iskeyword(name):
        raise OptionError(f"{name!r} cannot name a source: use lower case letters, digits and _")
    if name in source_ids():
        raise OptionError(f"{name} is a source already: see `visinstruct sources {name}`")


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        OptionError: names the folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OptionError(f"{folder} is there already: nothing was written; choose another --out")


def write_package(folder: Path, name: str, task: str, *, held_in: bool) -> list[Path]:
    """Write the package into `folder`, which is made; returns the paths written.

    Raises:
        OptionError: see `check_name` and `check_folder`.
    """
    check_name(name)
    check_folder(folder)
    written = []
    for file, text in texts_of(name, task, held_in=held_in).items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def package_name(name: str) -> str:
    return f"visinstruct_{name}"


def texts_of(name: str, task: str, *, held_in: bool) -> dict[str, str]:
    """Return the texts of the package's files by path in its folder."""
    form, video = FORMS[task], task == "video_qa"
    package = package_name(name)
    return {
        "pyproject.toml": _metadata(name),
        "README.md": _readme(name, video=video),
        f"{package}.py": _adapter(name, task, form, held_in=held_in, video=video),
        f"tests/test_{package}.py": _test(name, form, video=video),
    }


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _metadata(name: str) -> str:
    package = package_name(name)
    return f'''[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{package.replace("_", "-")}"
version = "0.1.0"
description = "The source {name} for visinstruct"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["visinstruct"]

[project.entry-points."{ENTRY_POINTS}"]
{name} = "{package}:SOURCE"

[tool.setuptools]
py-modules = ["{package}"]
'''


def _readme(name: str, *, video: bool) -> str:
    package = package_name(name)
    media = "*.mp4" if video else "*.jpg"
    return f"""# {package}

{_title(name)}, as a source of visinstruct. TODO: where the data come from, and their licence.

```sh
pip install -e .
python -m pytest
visinstruct sources {name}
visinstruct build --raw RAW --out OUT --sources {name}
```

Files, in `RAW/{name}/`: `train.json`, `val.json`, `{media}`.
"""


def _adapter(name: str, task: str, form: Form, *, held_in: bool, video: bool) -> str:
    media, suffix = ("video", "mp4") if video else ("image", "jpg")
    made = "\n".join(f"        {field.example}," for field in form.fields.values())
    texts = [word for word in ("clean_line", "clean_paragraphs") if f"{word}(" in made]
    helpers = ["Example", *(["required_text"] if "required_text(" in made else [])]
    answers = "from datagen.schema.answers import counted\n" if "counted(" in made else ""
    rows = "\n".join(f"    {each}: {field.kind}" for each, field in form.fields.items())
    table = "\n".join(
        f"| {field.example.partition('=')[0]} | `{each}` |" for each, field in form.fields.items()
    )
    place = f'f"{name}/{{row.{media}}}"'
    return f'''"""{_title(name)}: TODO what it holds, in one sentence.

TODO citation. Home: TODO.

Files, in `RAW/{name}/`: `{{train,val}}.json`, lists of rows, and `*.{suffix}`.

| field | from |
|---|---|
| example_id | `id` |
| {"video" if video else "images"}, group_id | `{media}` |
{table}
"""

from collections.abc import Iterator

from datagen.schema.adapter import RowContext, Rows, Source, SplitFiles
{answers}from datagen.schema.card import FileCard, MediaCard, SourceCard, SplitCard
from datagen.schema.example import {", ".join(helpers)}
from datagen.text import {", ".join(texts)}
from msgspec import Struct


class Row(Struct):
    id: int
    {media}: str
{rows}


def examples(row: Row, context: RowContext) -> Iterator[Example]:
    yield Example(
        example_id=context.example_id(row.id),
        source=context.source,
        split=context.split,
        task="{task}",
        group_id=f"{name}:{{row.{media}}}",
        {f"video={place}" if video else f"images=({place},)"},
{made}
    )


SPLITS = tuple(
    SplitFiles(split, Rows(f"{{split}}.json", Row), examples) for split in ("train", "val")
)

CARD = SourceCard(
    id="{name}",
    name="{_title(name)}",  # TODO: as templates name it
    task="{task}",
    category="{CATEGORIES[task]}",
    held_in={held_in},
    folder="{name}",
    splits={{split: SplitCard(used_in_paper=False) for split in ("train", "val")}},
    files=tuple(FileCard(name=f"{{split}}.json", splits=(split,)) for split in ("train", "val")),
    media=(MediaCard(kind="own", collection="{name}"),),
    # TODO: home, licence, media_licence, non_commercial, citation, each as
    # unverified("https://..", "where it was read") of datagen.schema.card
)

SOURCE = Source(CARD, SPLITS)
'''


def _test(name: str, form: Form, *, video: bool) -> str:
    media, file_name = ("video", "7.mp4") if video else ("image", "7.jpg")
    path = f"{name}/{file_name}"
    place = f'record.video.path == "{path}"'
    if not video:
        place = f'[image.path for image in record.images] == ["{path}"]'
    toy = "\n".join(f'    "{each}": {field.toy},' for each, field in form.fields.items())
    checks = "\n".join(f"    assert {field.check}" for field in form.fields.values())
    return f'''"""Builds of toy rows. They need the package installed: `pip install -e .`."""

import json

import pytest
from datagen.dataset import open_dataset
from pipelines.cli.main import main

ROW = {{
    "id": 7,
    "{media}": "{file_name}",
{toy}
}}


@pytest.fixture
def build(tmp_path):
    """Build from rows of the training split, without images or videos; returns the dataset."""

    def build(*rows):
        raw, out = tmp_path / "raw", tmp_path / "out"
        (raw / "{name}").mkdir(parents=True)
        (raw / "{name}/train.json").write_text(json.dumps(rows))
        keep = ["--missing-images", "keep", "--max-reject-fraction", "1"]
        places = ["--raw", str(raw), "--out", str(out)]
        assert main(["build", *places, "--sources", "{name}", *keep]) == 0
        return open_dataset(str(out))

    return build


def test_a_row_becomes_a_record(build):
    (record,) = build(ROW).records("{name}", "train")
    assert record.record_id == "{name}/train/7"
    assert {place}
{checks}
    assert record.target == "{form.target}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({{"{next(iter(form.fields))}": " "}}, "empty_text"),
        ({{"{media}": None}}, "malformed_row"),
        ({{"id": 7}}, "duplicate_id"),
    ],
)
def test_a_bad_row_is_rejected_alone(build, change, reason):
    split = build(ROW, ROW | {{"id": 8}} | change).manifest.splits["{name}"]["train"]
    assert (split.written, split.rejected) == (1, {{reason: 1}})
'''
