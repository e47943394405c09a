import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from datagen.sample.world import World
from datagen.sample.writers.iconqa import write

DATA = "iconqa/iconqa_data"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write(folder, World(seed=0, num_scenes=60))
    return folder


def problems(raw: Path) -> dict[str, dict[str, Any]]:
    return json.loads((raw / DATA / "problems.json").read_text(encoding="ascii"))


def folder_of(raw: Path, pid: str, row: dict[str, Any]) -> Path:
    return raw / DATA / "iconqa" / row["split"] / row["ques_type"] / pid


def test_the_right_choice_is_what_the_pixels_show(
    raw: Path, see: Callable, answer: Callable
) -> None:
    checked: Counter[str] = Counter()
    for pid, row in problems(raw).items():
        seen = see(Image.open(folder_of(raw, pid, row) / "image.png"))
        if row["ques_type"] == "choose_img":
            truth = [
                name
                for name in row["choices"]
                if len(see(Image.open(folder_of(raw, pid, row) / name))) == len(seen)
            ]
            assert truth == [row["choices"][row["answer"]]]
        else:
            truth = answer(seen, row["question"])
            given = row["choices"][row["answer"]] if "choices" in row else row["answer"]
            if truth is None:
                continue
            assert given == truth, row
        checked[row["ques_type"]] += 1
    assert checked["choose_txt"] > 40
    assert min(checked.values()) >= 5
    assert len(checked) == 3


def test_every_problem_has_a_folder_that_says_the_same(raw: Path) -> None:
    found = problems(raw)
    folders = list((raw / DATA / "iconqa").glob("*/*/*"))
    assert len(folders) == len(found)
    for pid, row in found.items():
        text = (folder_of(raw, pid, row) / "data.json").read_text(encoding="ascii")
        assert json.loads(text) == {name: row[name] for name in row if name != "split"}


def test_the_lists_of_ids_agree_with_the_problems(raw: Path) -> None:
    lists = json.loads((raw / DATA / "pid_splits.json").read_text(encoding="ascii"))
    for task in ("choose_txt", "choose_img", "fill_in_blank"):
        for split in ("train", "val", "test"):
            mine = [
                pid
                for pid, row in problems(raw).items()
                if (row["ques_type"], row["split"]) == (task, split)
            ]
            assert lists[f"{task}_{split}"] == mine
            assert set(lists[f"{task}_mini{split}"]) <= set(mine)
    assert min(len(lists[f"choose_txt_{split}"]) for split in ("train", "val", "test")) >= 12
