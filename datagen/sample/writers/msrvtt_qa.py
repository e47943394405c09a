"""MSRVTT-QA: one-word questions on clips that have a number and a category; `video0.mp4` is the first.

`write_hqga` writes the same questions as HQGA's CSV files.
"""

import csv
import json
from pathlib import Path
from typing import Any

from datagen.sample.world import SPLITS, Video, World, write_videos
from datagen.sample.writers.msvd_qa import num_clips, write_questions

NUM_CATEGORIES = 20


def write(raw: Path, world: World) -> None:
    names = [f"video{index}.mp4" for index in range(num_clips(world))]
    videos = world.videos("msrvtt", names)
    write_videos(raw, videos)

    def fields(video: Video) -> dict[str, Any]:
        random = world.random("msrvtt", video.number, "category")
        return {"category_id": random.randrange(NUM_CATEGORIES), "video_id": video.number - 1}

    write_questions(raw, world, "msrvtt_qa", videos, fields)


def write_hqga(raw: Path, world: World) -> None:
    """`{train,val,test}.csv` in place of the JSON files, which are read and removed."""
    write(raw, world)
    for split in SPLITS:
        path = raw / "msrvtt_qa" / f"{split}_qa.json"
        rows = json.loads(path.read_text(encoding="ascii"))
        path.unlink()
        with path.with_name(f"{split}.csv").open("w", encoding="ascii", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("video", "question", "answer", "qid", "type"))
            for row in rows:
                names = ("video_id", "question", "answer", "id", "category_id")
                table.writerow([row[name] for name in names])
