"""The files of a new source: adapter with its card, sample writer, test, and its line in the table.

The scaffold reads a plain JSON list of rows and passes its own test. Change it, test first, until it reads the
publisher's files.
"""

import re
from keyword import iskeyword
from pathlib import Path

from datagen.errors import OptionError
from pipelines.cli.scaffold.source_forms import CATEGORIES, FORMS, WRITER_IMPORTS, Form
from templates.tasks import SOURCES

TABLE = "datagen/sources/__init__.py"
_TABLE_IDS = re.compile(r"^SOURCE_IDS = \(\n(.*?)^\)", re.DOTALL | re.MULTILINE)


def missing_names(name: str) -> list[str]:
    """Return the lines to add by hand before the source can be written."""
    missing = []
    if name not in SOURCES:
        title = name.replace("_", " ").title()
        missing.append(f'templates/tasks.py, SOURCES: "{name}": "{title}",')
    return missing


def check_name(root: Path, name: str) -> None:
    """Refuse a name that cannot be a module, is in the table, or has files already.

    Raises:
        OptionError: names the reason.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or iskeyword(name):
        raise OptionError(f"{name!r} cannot name a source: use lower case letters, digits and _")
    table = root / TABLE
    if not table.is_file() or not (root / "pyproject.toml").is_file():
        raise OptionError(f"{root} is no checkout of visinstruct: new sources are written into one")
    if name in table_ids(table.read_text(encoding="utf-8")):
        raise OptionError(f"{name} is a source already: see datagen/sources/{name}.py")
    for path in paths_of(name).values():
        if (root / path).exists():
            raise OptionError(f"{path} is there already: nothing was written")


def write_source(root: Path, name: str, task: str, *, held_in: bool) -> list[str]:
    """Write the source into the checkout `root`; returns the paths written, the table last.

    Raises:
        OptionError: see `check_name`.
    """
    check_name(root, name)
    texts = texts_of(name, task, held_in=held_in)
    table = (root / TABLE).read_text(encoding="utf-8")
    texts[TABLE] = with_line(table, name)
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return list(texts)


def table_ids(table: str) -> list[str]:
    """Return the ids in the text of `TABLE`."""
    match = _TABLE_IDS.search(table)
    assert match is not None, f"{TABLE} has no SOURCE_IDS"
    return re.findall(r'"(\w+)"', match[1])


def with_line(table: str, name: str) -> str:
    """Return the text of `TABLE` with `name` in it, after the ids that `templates.tasks` lists before it."""
    order = list(SOURCES)
    before = order[: order.index(name)]
    known = [each for each in table_ids(table) if each in before]
    start = f'    "{known[-1]}",\n' if known else "SOURCE_IDS = (\n"
    return table.replace(start, f'{start}    "{name}",\n', 1)


def paths_of(name: str) -> dict[str, str]:
    return {
        "adapter": f"datagen/sources/{name}.py",
        "writer": f"datagen/sample/writers/{name}.py",
        "test": f"tests/datagen/sources/test_{name}.py",
    }


def texts_of(name: str, task: str, *, held_in: bool) -> dict[str, str]:
    """Return the texts of the three files by path."""
    form, paths = FORMS[task], paths_of(name)
    video = task == "video_qa"
    return {
        paths["adapter"]: _adapter(name, task, form, held_in=held_in, video=video),
        paths["writer"]: _video_writer(name, form) if video else _writer(name, task, form),
        paths["test"]: _test(name, form, video=video),
    }


def _adapter(name: str, task: str, form: Form, *, held_in: bool, video: bool) -> str:
    media, kind, suffix = ("video", "videos", "mp4") if video else ("image", "images", "jpg")
    made = "\n".join(f"        {field.example}," for field in form.fields.values())
    texts = [word for word in ("clean_line", "clean_paragraphs") if f"{word}(" in made]
    helpers = ["Example", *(["required_text"] if "required_text(" in made else [])]
    answers = "from datagen.schema.answers import counted\n" if "counted(" in made else ""
    rows = "\n".join(f"    {each}: {field.kind}" for each, field in form.fields.items())
    table = "\n".join(
        f"| {field.example.partition('=')[0]} | `{each}` |" for each, field in form.fields.items()
    )
    place = f'f"{name}/{{row.{media}}}"'
    return f'''"""{SOURCES[name]}: TODO what it holds, in one sentence.

TODO citation. Home: TODO.

Files, in `RAW/{name}/`: `{{train,val}}.json`, lists of rows. Media: `RAW/{kind}/{name}/*.{suffix}`.

| field | from |
|---|---|
| example_id | `id` |
| {"video" if video else "images"}, group_id | `{media}` |
{table}

Counts: TODO.
"""

from collections.abc import Iterator

from msgspec import Struct

from datagen.schema.adapter import RowContext, Rows, Source, SplitFiles
{answers}from datagen.schema.card import Fact, FileCard, MediaCard, SourceCard, SplitCard
from datagen.schema.example import {", ".join(helpers)}
from datagen.text import {", ".join(texts)}


class Row(Struct, gc=False):
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
    task="{task}",
    category="{CATEGORIES[task]}",
    held_in={held_in},
    folder="{name}",
    splits={{
        # TODO: counts={{"1.0": unverified(1_000, "where the number was read")}}
        split: SplitCard(used_in_paper=False, counts={{"1.0": Fact()}})
        for split in ("train", "val")
    }},
    files=tuple(FileCard(name=f"{{split}}.json", splits=(split,)) for split in ("train", "val")),
    media=(MediaCard(kind="{kind}", collection="{name}"),),
    home=Fact(),  # TODO: unverified("https://..", "where it was read")
    licence=Fact(),
    media_licence=Fact(),
    non_commercial=Fact(),
    citation=Fact(),
)

SOURCE = Source(CARD, SPLITS)
'''


def _imports(form: Form) -> str:
    """Return the import lines of the sample's functions that a writer of this form calls."""
    used = " ".join([*form.prepare, *(field.drawn for field in form.fields.values())])
    modules: dict[str, list[str]] = {}
    for call, module in WRITER_IMPORTS.items():
        if re.search(rf"\b{re.escape(call)}", used):
            modules.setdefault(module, []).append(call[:-1])
    return "\n".join(
        f"from {module} import {', '.join(names)}" for module, names in sorted(modules.items())
    )


def _made_rows(form: Form) -> str:
    lines = [f'                "{each}": {field.drawn},' for each, field in form.fields.items()]
    return "\n".join(lines)


def _prepared(form: Form) -> str:
    return "".join(f"            {line}\n" for line in form.prepare)


def _writer(name: str, task: str, form: Form) -> str:
    one = ", num_objects=1" if task in ("statement", "classification", "yes_no") else ""
    return f'''"""{SOURCES[name]}: TODO what the official files hold."""

from pathlib import Path

{_imports(form)}
from datagen.sample.world import World, write_image, write_json


def write(raw: Path, world: World) -> None:
    for split in ("train", "val"):
        rows = []
        for index in range(world.num_scenes):
            if world.split(index) != split:
                continue
            file_name = f"{{index:06d}}.jpg"
            scene = world.scene("{name}", index{one})
            random = world.random("{name}", index)
            write_image(raw / "images" / "{name}" / file_name, scene)
{_prepared(form)}            row = {{
                "id": index,
                "image": file_name,
{_made_rows(form)}
            }}
            rows.append(row)
        write_json(raw / "{name}" / f"{{split}}.json", rows)
'''


def _video_writer(name: str, form: Form) -> str:
    return f'''"""{SOURCES[name]}: TODO what the official files hold."""

from pathlib import Path

{_imports(form)}
from datagen.sample.world import World, write_json, write_videos


def write(raw: Path, world: World) -> None:
    names = [f"{{index:06d}}.mp4" for index in range(max(world.num_scenes // 4, 5))]
    videos = world.videos("{name}", names)
    write_videos(raw, videos)
    for split in ("train", "val"):
        rows = []
        for file_name, video in zip(names, videos, strict=True):
            if video.split != split:
                continue
            random = world.random("{name}", video.number)
{_prepared(form)}            row = {{
                "id": video.number,
                "video": file_name,
{_made_rows(form)}
            }}
            rows.append(row)
        write_json(raw / "{name}" / f"{{split}}.json", rows)
'''


def _test(name: str, form: Form, *, video: bool) -> str:
    media, file_name = ("video", "000007.mp4") if video else ("image", "000007.jpg")
    path = f"{name}/{file_name}"
    place = f'record.video.path == "{path}"'
    if not video:
        place = f'[image.path for image in record.images] == ["{path}"]'
    toy = "\n".join(f'    "{each}": {field.toy},' for each, field in form.fields.items())
    checks = "\n".join(f"    assert {field.check}" for field in form.fields.values())
    return f'''from typing import Any

import pytest

KEEP = {{"missing_images": "keep", "max_reject_fraction": 1.0}}
ROW = {{
    "id": 7,
    "{media}": "{file_name}",
{toy}
}}


def test_a_row_becomes_a_record(raw: Any, build: Any) -> None:
    raw.json("{name}/train.json", [ROW])
    (record,) = build(**KEEP).records("{name}", "train")
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
def test_a_bad_row_is_rejected_alone(
    raw: Any, build: Any, change: dict[str, Any], reason: str
) -> None:
    raw.json("{name}/train.json", [ROW, ROW | {{"id": 8}} | change])
    building = build(**KEEP)
    (rejection,) = building.rejections("{name}")
    assert (rejection.row, rejection.reason) == (1, reason)
    assert len(building.records("{name}", "train")) == 1
'''
