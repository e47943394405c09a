from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Read = Callable[[Path], Any]
FILE = "aokvqa/aokvqa_v1p0_{}.json"


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_questions_have_four_choices_and_a_image(sample: Path, read: Read, split: str) -> None:
    rows = read(sample / FILE.format(split))
    assert rows
    for row in rows:
        assert len(set(row["choices"])) == 4
        assert row["split"] == split
        assert len(row["question_id"]) == 22
        assert (sample / f"images/coco/{split}2017/{row['image_id']:012d}.jpg").is_file()


def test_the_right_choice_is_the_commonest_direct_answer(sample: Path, read: Read) -> None:
    for row in read(sample / FILE.format("train")):
        answers, right = row["direct_answers"], row["choices"][row["correct_choice_idx"]]
        assert len(answers) == 10
        assert max(set(answers), key=answers.count) == right
        assert not set(answers) & (set(row["choices"]) - {right})


def test_the_test_file_tells_no_answer(sample: Path, read: Read) -> None:
    train, test = (read(sample / FILE.format(split))[0] for split in ("train", "test"))
    assert set(train) - set(test) == {"correct_choice_idx", "direct_answers", "rationales"}


def test_rows_have_the_official_keys_in_the_official_order(
    sample: Path, real: Path, read: Read
) -> None:
    ours, theirs = (read(folder / FILE.format("val"))[0] for folder in (sample, real))
    assert list(ours) == list(theirs)
    assert len(ours["rationales"]) == len(theirs["rationales"])
