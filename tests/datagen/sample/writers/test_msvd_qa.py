import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av

Read = Callable[[Path], Any]
SPLITS = ("train", "val", "test")


def test_the_mapping_names_a_clip_for_every_video_id(sample: Path, read: Read) -> None:
    text = (sample / "msvd_qa/youtube_mapping.txt").read_text()
    assert not text.endswith("\n")
    names = {}
    for line in text.split("\n"):
        match = re.fullmatch(r"([\w-]{11}_\d+_\d+) vid(\d+)", line)
        assert match is not None, line
        names[int(match[2])] = match[1]
    assert sorted(names) == list(range(1, 11))
    inputs = {r["video_id"] for s in SPLITS for r in read(sample / f"msvd_qa/{s}_qa.json")}
    assert inputs == set(names)
    found = {path.stem for path in (sample / "videos/msvd").iterdir()}
    assert found == set(names.values())


def test_a_clip_is_as_long_as_its_name_says(sample: Path) -> None:
    for path in (sample / "videos/msvd").iterdir():
        *_, start, end = path.stem.split("_")
        with av.open(str(path)) as container:
            assert container.duration == (int(end) - int(start)) * 1_000_000


def test_answers_are_one_word_and_ids_run_on_over_the_splits(sample: Path, read: Read) -> None:
    rows = [row for split in SPLITS for row in read(sample / f"msvd_qa/{split}_qa.json")]
    assert [row["id"] for row in rows] == list(range(len(rows)))
    assert all(" " not in row["answer"] for row in rows)
    assert all(row["question"] == row["question"].lower() for row in rows)


def test_the_splits_share_no_clip(sample: Path, read: Read) -> None:
    train, val, test = (
        {row["video_id"] for row in read(sample / f"msvd_qa/{split}_qa.json")} for split in SPLITS
    )
    assert train and val and test
    assert not (train & val or train & test or val & test)


def test_rows_are_written_as_the_official_ones(sample: Path, real: Path, read: Read) -> None:
    ours, theirs = (read(folder / "msvd_qa/val_qa.json") for folder in (sample, real))
    assert list(ours[0]) == list(theirs[0])
    for key, value in ours[0].items():
        assert type(value) is type(theirs[0][key])
    assert (sample / "msvd_qa/val_qa.json").read_text()[:12] == '[{"answer":"'
