from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datagen.sample.world import World
from datagen.sample.writers.vizwiz import write

Read = Callable[[Path], Any]


def test_some_questions_cannot_be_answered(tmp_path: Path, read: Read) -> None:
    write(tmp_path, World(seed=0, num_scenes=200))
    rows = read(tmp_path / "vizwiz/train.json")
    assert {row["answer_type"] for row in rows} == {"other", "number", "yes/no", "unanswerable"}
    for row in rows:
        answers = Counter(each["answer"] for each in row["answers"])
        assert answers.total() == 10
        commonest, _ = answers.most_common(1)[0]
        assert (commonest != "unanswerable") == bool(row["answerable"])
    assert 0.1 < sum(not row["answerable"] for row in rows) / len(rows) < 0.4


def test_every_row_has_its_image_and_test_rows_nothing_more(sample: Path, read: Read) -> None:
    for split in ("train", "val", "test"):
        rows = read(sample / "vizwiz" / f"{split}.json")
        assert rows
        for row in rows:
            assert (sample / "images/vizwiz" / row["image"]).is_file()
            assert (len(row) == 2) == (split == "test")


def test_rows_have_the_official_keys(sample: Path, real: Path, read: Read) -> None:
    ours, theirs = (read(folder / "vizwiz/val.json")[0] for folder in (sample, real))
    assert set(ours) == set(theirs)
    assert set(ours["answers"][0]) == set(theirs["answers"][0])
