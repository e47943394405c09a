"""MSVD-QA: one-word questions on short clips; ids run on over the splits.

`youtube_mapping.txt` tells the clip's file name, `<YouTube id>_<start>_<end>`, from its number.
"""

import string
from pathlib import Path

from datagen.sample.clip_questions import ask_about_clip
from datagen.sample.clips import make_clip
from datagen.sample.world import SPLITS, World, write_json, write_videos

_SCENES_PER_CLIP = 6
_YOUTUBE_ID = string.ascii_letters + string.digits + "-_"


def write(raw: Path, world: World) -> None:
    num_clips = max(world.num_scenes // _SCENES_PER_CLIP, 5)
    names = [_clip_name(world, index) for index in range(num_clips)]
    videos = world.videos("msvd", [f"{name}.avi" for name in names])
    write_videos(raw, videos)
    next_id = 0
    for split in SPLITS:
        rows = []
        for video in videos:
            if video.split != split:
                continue
            for question in ask_about_clip(video.clip, world.random("msvd_qa", video.number)):
                rows.append(
                    {
                        "answer": question.answer,
                        "id": next_id,
                        "question": question.text.lower(),
                        "video_id": video.number,
                    }
                )
                next_id += 1
        write_json(raw / "msvd_qa" / f"{split}_qa.json", rows, compact=True)
    lines = [f"{name} vid{video.number}" for name, video in zip(names, videos, strict=True)]
    (raw / "msvd_qa" / "youtube_mapping.txt").write_text("\n".join(lines), encoding="ascii")


def _clip_name(world: World, index: int) -> str:
    random = world.random("msvd", index, "name")
    youtube_id = "".join(random.choices(_YOUTUBE_ID, k=11))
    start = random.randint(0, 200)
    seconds = make_clip(world.seed, "msvd", index).seconds
    return f"{youtube_id}_{start}_{start + seconds}"
