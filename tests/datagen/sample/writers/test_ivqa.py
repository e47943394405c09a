import csv
from collections import Counter
from pathlib import Path

import av

SPLITS = ("train", "val", "test")


def rows_of(sample: Path, split: str) -> list[dict[str, str]]:
    with (sample / f"ivqa/{split}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_clip_is_cut_out_or_its_whole_video_is_there(sample: Path) -> None:
    forms: Counter[str] = Counter()
    for split in SPLITS:
        for row in rows_of(sample, split):
            name = f"{row['video_id']}_{row['start']}_{row['end']}.mp4"
            form = "cut" if (sample / "videos/howto100m" / name).is_file() else "whole"
            path = name if form == "cut" else f"{row['video_id']}.mp4"
            with av.open(str(sample / "videos/howto100m" / path)) as container:
                seconds = float(row["end"]) - float(row["start"])
                assert container.duration == seconds * 1_000_000
            forms[form] += 1
    assert forms["cut"] > forms["whole"] > 2
    assert forms.total() == len(list((sample / "videos/howto100m").iterdir()))


def test_a_video_is_asked_about_once_and_by_five_annotators(sample: Path) -> None:
    rows = [row for split in SPLITS for row in rows_of(sample, split)]
    assert len({row["video_id"] for row in rows}) == len(rows)
    for row in rows:
        answers = Counter(row[f"answer{number}"] for number in range(1, 6))
        assert answers.total() == 5
        assert answers.most_common(1)[0][1] >= 3
    assert any(len({row[f"answer{n}"] for n in range(1, 6)}) > 1 for row in rows)
