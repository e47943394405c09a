"""`Checker` on whole source files: what it finds, counts and warns of."""

import json
from pathlib import Path
from typing import Any


def test_a_pattern_has_the_split_of_the_row_in_it(check: Any, image: Any, tmp_path: Path) -> None:
    for split in ("train", "val"):
        image(f"{split}/png/1.png")
        row = {"imgname": "1.png", "query": f"What is in {split}?", "label": "a bar"}
        (tmp_path / f"{split}.json").write_text(json.dumps([row]))
    records, checker = check(
        """
        name: charts
        task: vqa
        files: {train: train.json, val: val.json}
        columns: {question: query, answers: label}
        images: {pattern: "{split}/png/{imgname}"}
        """
    )
    assert not checker.problems
    files = [each["images"][0]["file"] for each in records]
    assert files == ["charts/train/png/1.png", "charts/val/png/1.png"]


def test_a_column_called_split_wins_in_a_pattern(check: Any, image: Any, tmp_path: Path) -> None:
    image("dev/1.png")
    row = {"name": 1, "split": "dev", "query": "What?", "label": "a bar"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    (record,), _ = check(
        """
        name: charts
        task: vqa
        files: a.jsonl
        columns: {question: query, answers: label, split: split}
        splits: {train: train, val: dev}
        images: {pattern: "{split}/{name}.png"}
        """
    )
    assert (record["split"], record["images"][0]["file"]) == ("val", "charts/dev/1.png")
