"""Sources that installed packages offer by entry points."""

import importlib

import pytest

import datagen.sources as sources
from datagen.errors import OptionError

ADAPTER = """
from msgspec import Struct

from datagen.schema.answers import counted
from datagen.schema.adapter import Rows, Source, SplitFiles
from datagen.schema.card import MediaCard, SourceCard, SplitCard
from datagen.schema.example import Example


class Sign(Struct):
    id: int
    image: str
    says: str


def examples(row, context):
    yield Example(
        example_id=context.example_id(row.id), source="signs", split=context.split, task="vqa",
        group_id=row.image, images=(f"signs/{row.image}",), question="What does it say?",
        answers=counted([row.says]),
    )


SOURCE = Source(
    SourceCard(
        id="signs", name="Street signs", task="vqa", category="image question answering",
        held_in=True, splits={"train": SplitCard(used_in_paper=False)}, files=(),
        media=(MediaCard(kind="own", collection="signs"),), folder="signs",
    ),
    (SplitFiles("train", Rows("signs.json", Sign), examples),),
)
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package with one entry point on the path, as pip does."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name, code=ADAPTER, value="{}_package:SOURCE", package=None):
        package = package or f"{name}_package"
        (tmp_path / f"{package}.py").write_text(code)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        entry = f"[visinstruct.sources]\n{name} = {value.format(name)}\n"
        (info / "entry_points.txt").write_text(entry)
        clear()

    def clear():
        importlib.invalidate_caches()
        sources.installed_sources.cache_clear()
        sources.load_source.cache_clear()

    yield install
    monkeypatch.undo()
    clear()


def test_a_package_adds_a_source(install):
    assert "signs" not in sources.source_ids()
    install("signs")
    assert sources.source_ids() == (*sources.SOURCE_IDS, "signs")
    source = sources.load_source("signs")
    assert source.card.title == "Street signs"
    assert sources.module_of("signs").name == "signs_package.py"
    assert sources.module_of("vqav2") is None


def test_an_id_of_the_table_is_refused(install):
    install("vqav2")
    with pytest.raises(OptionError, match="vqav2_package offers a source 'vqav2', which visin"):
        sources.source_ids()


def test_an_id_offered_twice_is_refused(install):
    install("signs")
    install("signs", package="other")
    with pytest.raises(OptionError, match="other and signs_package both offer a source 'signs'"):
        sources.source_ids()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import missing_module", "cannot be imported: ModuleNotFoundError"),
        ("SOURCE = 3", "is no datagen.schema.adapter.Source but int"),
        (ADAPTER.replace('id="signs"', 'id="other"'), "its card has the id 'other'"),
    ],
)
def test_what_is_no_source_is_refused_by_package_and_entry_point(install, code, message, tmp_path):
    name = f"broken{len(code)}"
    install(name, code)
    with pytest.raises(OptionError, match=message) as error:
        sources.load_source(name)
    assert f"{name!r} of the package {name}_package ({name}_package:SOURCE)" in str(error.value)


def test_a_build_reads_it_and_its_code_is_an_input(install, tmp_path):
    import json

    from PIL import Image

    from datagen.dataset import open_dataset
    from pipelines.cli.main import main

    install("signs")
    folder = tmp_path / "raw/signs"
    folder.mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(folder / "a.png")
    (folder / "signs.json").write_text(json.dumps([{"id": 1, "image": "a.png", "says": "STOP"}]))
    out = tmp_path / "out"
    command = ["build", "--raw", str(tmp_path / "raw"), "--out", str(out), "--sources", "signs"]
    assert main(command) == 0
    dataset = open_dataset(str(out))
    assert "code signs_package.py" in dataset.manifest.inputs["signs"]
    (record,) = dataset.records("signs", "train")
    assert (record.question, record.target) == ("What does it say?", "STOP")
    assert dataset.manifest.mixture.keys() == {"signs"}
