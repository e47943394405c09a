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


def classes(image: Any, *names: str) -> None:
    for split in names:
        for label in ("cat", "dog"):
            image(f"pets/{split}/{label}/1.png")


CLASSES = "name: pets\ntask: classification\nfiles: pets\ncolumns: {image: image, label: label}\n"


def test_folders_called_training_and_validation_are_train_and_val(check: Any, image: Any) -> None:
    classes(image, "training", "validation", "testing")
    records, checker = check(CLASSES)
    assert set(checker.splits) == {"train", "val", "test"}
    assert [each["split"] for each in records].count("train") == 2
    assert records[0]["images"][0]["file"].startswith("pets/pets/")
    assert not [each for each in checker.problems if each.reason == "no_train_split"]


def test_folders_are_called_as_the_source_file_has_them(check: Any, image: Any) -> None:
    classes(image, "training", "validation")
    _, checker = check(CLASSES + "use: {validation: hidden}\n")
    assert set(checker.splits) == {"train", "validation"}
    _, checker = check(CLASSES + "splits: {train: training, dev: validation}\n")
    assert set(checker.splits) == {"train", "dev"}
    _, checker = check(
        CLASSES.replace("files: pets", "files: {val: pets}").replace("pets}", "pets/validation}")
    )
    assert set(checker.splits) == {"val"}


def test_a_source_without_a_split_to_train_on_is_reported(check: Any, image: Any) -> None:
    classes(image, "validation", "testing")
    _, checker = check(CLASSES)
    (found,) = [each for each in checker.problems if each.reason == "no_train_split"]
    assert "there are test, val" in found.message or "there are val, test" in found.message
    _, checker = check(CLASSES + "use: {val: evaluate}\n")
    assert not [each for each in checker.problems if each.reason == "no_train_split"]


def test_left_out_rows_have_the_reason_that_a_manifest_has(check: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,question,answer\n,What?,x\n")
    _, checker = check(
        """
        name: toy
        task: vqa
        files: a.csv
        columns: {image: image, question: question, answers: answer}
        images: {missing_column: skip}
        """
    )
    (found,) = [each for each in checker.problems if each.severity == "count"]
    assert found.reason == "no image"
    assert checker.splits["train"].left_out == {"no image": 1}


def test_an_image_in_two_splits_is_named_with_both_paths(
    check: Any, image: Any, tmp_path: Path
) -> None:
    image("a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    for split, name in (("train", "a"), ("val", "b")):
        row = {"image": f"{name}.png", "question": "What?", "answer": "x"}
        (tmp_path / f"{split}.jsonl").write_text(json.dumps(row))
    _, checker = check(
        """
        name: toy
        task: vqa
        files: {train: train.jsonl, val: val.jsonl}
        columns: {image: image, question: question, answers: answer}
        """
    )
    (found,) = [each for each in checker.problems if each.reason == "leakage"]
    assert found.message == (
        "the image toy/b.png of val is in train too, as toy/a.png, at train.jsonl, row 1, line 1"
    )
