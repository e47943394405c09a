from pathlib import Path

import pytest

from datagen.build.layouts import alternatives, found_instead, layout_sentence
from datagen.files import LocalFiles
from datagen.sources import load_source


def put(raw: Path, *names: str) -> None:
    for name in names:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_text("[]")


def hints(raw: Path, source: str) -> list[str]:
    return [*found_instead(load_source(source), str(raw), LocalFiles())]


def test_every_layout_of_a_split_is_named(tmp_path: Path) -> None:
    source = load_source("coco_caption")
    assert layout_sentence(source, "train", str(tmp_path), LocalFiles()) == (
        "train lacks dataset_coco.json (layout karpathy), or coco_karpathy_train.json (layout lavis), "
        "or captions_train2014.json (layout captions_2014)"
    )
    only = layout_sentence(load_source("vizwiz"), "val", str(tmp_path), LocalFiles())
    assert only == "val lacks val.json"


def test_files_of_one_layout_are_joined_by_commas_and_layouts_by_or() -> None:
    assert alternatives(("a.json", "b.json")) == "a.json, b.json"
    several = ("a.json, b.json (layout x)", "c.json (layout y)")
    assert alternatives(several) == "a.json, b.json (layout x), or c.json (layout y)"


@pytest.mark.parametrize(
    ("source", "name", "hint"),
    [
        ("hateful_memes", "dev.jsonl", "dev_seen.jsonl as the first release calls it; rename it"),
        ("llava_detail", "llava_instruct_150k.json", "all three parts in one file"),
        ("coco_caption", "Dataset_COCO.json", "the nearest of the expected names is dataset_coco"),
        ("vizwiz", "train.json.zip", "the nearest of the expected names is train.json"),
    ],
)
def test_files_that_are_nearly_those_of_a_layout_are_named(
    tmp_path: Path, source: str, name: str, hint: str
) -> None:
    put(tmp_path, f"{load_source(source).card.folder}/{name}")
    (found,) = hints(tmp_path, source)
    assert f"/{name} is " in found
    assert hint in found


def test_expected_and_foreign_files_give_no_hint(tmp_path: Path) -> None:
    put(tmp_path, "vizwiz/train.json", "vizwiz/README", "vizwiz/thesis.tex")
    assert hints(tmp_path, "vizwiz") == []
