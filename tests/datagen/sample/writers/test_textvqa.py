import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from datagen.sample.ocr import FOLDERS
from datagen.sample.world import World
from datagen.sample.writers.textvqa import write


def data(raw: Path, name: str) -> list[dict[str, Any]]:
    return json.loads((raw / "textvqa" / f"{name}.json").read_text(encoding="ascii"))["data"]


def test_answers_are_printed_in_the_image_or_seen_there(
    tmp_path: Path, see: Callable, answer: Callable
) -> None:
    write(tmp_path, World(seed=0, num_scenes=200))
    seen: Counter[str] = Counter()
    for split in ("train", "val"):
        rosetta = {
            row["image_id"]: row["ocr_tokens"]
            for row in data(tmp_path, f"TextVQA_Rosetta_OCR_v0.2_{split}")
        }
        for row in data(tmp_path, f"TextVQA_0.5.1_{split}"):
            assert len(row["answers"]) == 10
            given = Counter(row["answers"]).most_common(1)[0][0]
            path = tmp_path / "images/textvqa" / FOLDERS[split] / f"{row['image_id']}.jpg"
            question = row["question"][0].upper() + row["question"][1:]
            truth = answer(see(Image.open(path)), question)
            if truth is not None:
                assert given == truth, row
                seen["shown"] += 1
            elif rosetta[row["image_id"]] and ("word" in question or "text" in question):
                assert given.upper() in rosetta[row["image_id"]], row
                seen["printed"] += 1
    assert min(seen.values()) > 40, seen
    assert len(seen) == 2


def test_answers_of_test_are_in_no_file(tmp_path: Path) -> None:
    write(tmp_path, World(seed=0, num_scenes=40))
    rows = data(tmp_path, "TextVQA_0.5.1_test")
    assert rows
    assert not any("answers" in row for row in rows)
    assert len({row["question_id"] for row in rows}) == len(rows)


def test_images_of_the_splits_are_others(tmp_path: Path) -> None:
    write(tmp_path, World(seed=0, num_scenes=40))
    images = {
        split: {row["image_id"] for row in data(tmp_path, f"TextVQA_0.5.1_{split}")}
        for split in FOLDERS
    }
    assert sum(map(len, images.values())) == len(set().union(*images.values())) == 20


def test_boxes_of_words_lie_in_the_image(tmp_path: Path) -> None:
    write(tmp_path, World(seed=0, num_scenes=40))
    for row in data(tmp_path, "TextVQA_Rosetta_OCR_v0.2_train"):
        assert [each["word"] for each in row["ocr_info"]] == row["ocr_tokens"]
        for each in row["ocr_info"]:
            box = each["bounding_box"]
            assert 0 <= box["top_left_x"] < box["top_left_x"] + box["width"] <= 1
            assert 0 <= box["top_left_y"] < box["top_left_y"] + box["height"] <= 1
