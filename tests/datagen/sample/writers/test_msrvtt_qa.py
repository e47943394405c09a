from collections.abc import Callable
from pathlib import Path
from typing import Any

Read = Callable[[Path], Any]
SPLITS = ("train", "val", "test")


def test_every_question_is_about_a_video_that_is_there(sample: Path, read: Read) -> None:
    rows = [row for split in SPLITS for row in read(sample / f"msrvtt_qa/{split}_qa.json")]
    inputs = {f"video{row['video_id']}.mp4" for row in rows}
    assert inputs == {path.name for path in (sample / "videos/msrvtt").iterdir()}
    assert "video0.mp4" in inputs
    assert [row["id"] for row in rows] == list(range(len(rows)))
    assert all(" " not in row["answer"] for row in rows)


def test_the_splits_share_no_video_and_a_video_has_one_category(sample: Path, read: Read) -> None:
    videos = []
    for split in SPLITS:
        rows = read(sample / f"msrvtt_qa/{split}_qa.json")
        assert list(rows[0]) == ["answer", "category_id", "id", "question", "video_id"]
        pairs = {(row["video_id"], row["category_id"]) for row in rows}
        videos += [video for video, _ in pairs]
    assert len(set(videos)) == len(videos)


def test_its_clips_are_not_those_of_msvd(sample: Path) -> None:
    folders = (sample / "videos/msvd", sample / "videos/msrvtt")
    one, other = ({path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert not one & other
