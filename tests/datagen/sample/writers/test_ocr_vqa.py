import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from datagen.sample.scenes import WORDS
from datagen.sample.world import World
from datagen.sample.writers.ocr_vqa import write


def test_covers_have_titles_and_true_answers(
    tmp_path: Path, see: Callable, answer: Callable
) -> None:
    write(tmp_path, World(seed=0, num_scenes=60))
    folder = tmp_path / "ocr_vqa"
    covers = json.loads((folder / "dataset.json").read_text(encoding="ascii"))
    assert len(covers) == 60
    checked = 0
    for book, row in covers.items():
        assert set(row["title"].split()) <= set(WORDS)
        assert row["answers"][0] == row["title"]
        assert len(row["questions"]) == len(row["answers"]) >= 3
        seen = see(Image.open(folder / "images" / f"{book}.jpg"))
        for question, given in zip(row["questions"], row["answers"], strict=True):
            truth = answer(seen, question)
            if truth is not None:
                assert given == truth, question
                checked += 1
    assert checked > 80
    assert {row["split"] for row in covers.values()} == {1, 2, 3}


def test_most_covers_have_tokens_and_these_are_the_title(tmp_path: Path) -> None:
    write(tmp_path, World(seed=0, num_scenes=100))
    folder = tmp_path / "ocr_vqa"
    covers = json.loads((folder / "dataset.json").read_text(encoding="ascii"))
    lines = (folder / "ocr_tokens.jsonl").read_text(encoding="ascii").splitlines()
    found = {row["image_id"]: row["ocr_tokens"] for row in map(json.loads, lines)}
    assert 70 < len(found) < 100
    for book, tokens in found.items():
        assert " ".join(tokens) == covers[book]["title"]
