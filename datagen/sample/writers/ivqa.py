"""iVQA: one question on each clip, with the answers of five annotators.

Most clips are cut out of their video; every fourth lies in a video that is there whole.
"""

import csv
from pathlib import Path

from datagen.sample.clip_questions import ask_about_clip
from datagen.sample.world import SPLITS, Video, World, write_videos
from datagen.sample.writers.msvd_qa import clip_name
from datagen.sample.writers.vqav2 import annotators_answers

COLUMNS = ("video_id", "start", "end", "question", *(f"answer{n}" for n in range(1, 6)))
NUM_ANSWERS = 5
_SCENES_PER_CLIP = 2
_WHOLE_VIDEO_EVERY = 4


def write(raw: Path, world: World) -> None:
    names = [clip_name(world, "howto100m", n) for n in range(world.num_scenes // _SCENES_PER_CLIP)]
    places = [_place(index, name) for index, name in enumerate(names)]
    videos = world.videos("howto100m", [file for file, _, _ in places])
    write_videos(raw, videos)
    for split in SPLITS:
        path = raw / "ivqa" / f"{split}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="ascii", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            for video, (_, start, end), name in zip(videos, places, names, strict=True):
                if video.split == split:
                    row = _question(world, video)
                    table.writerow([name.rsplit("_", 2)[0], start, end, *row])


def _place(index: int, name: str) -> tuple[str, int, int]:
    """The file's name, and where in the video the clip begins and ends."""
    video_id, start, end = name.rsplit("_", 2)
    if index % _WHOLE_VIDEO_EVERY == _WHOLE_VIDEO_EVERY - 1:
        return f"{video_id}.mp4", 0, int(end) - int(start)
    return f"{name}.mp4", int(start), int(end)


def _question(world: World, video: Video) -> list[str]:
    """The question and five answers."""
    random = world.random("ivqa", video.number)
    question = ask_about_clip(video.clip, random)[0]
    return [question.text, *annotators_answers(question, random, NUM_ANSWERS)]
