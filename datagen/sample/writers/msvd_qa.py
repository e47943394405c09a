"""MSVD-QA: one-word questions on short clips; ids run on over the splits.

`youtube_mapping.txt` tells the clip's file name, `<YouTube id>_<start>_<end>`, from its number.
`write_questions` writes MSRVTT-QA's files as well.
"""

import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datagen.sample.clip_questions import ask_about_clip
from datagen.sample.clips import make_clip
from datagen.sample.world import SPLITS, Video, World, write_json, write_videos

_SCENES_PER_CLIP = 6
_YOUTUBE_ID = string.ascii_letters + string.digits + "-_"


def write(raw: Path, world: World) -> None:
    names = [clip_name(world, "msvd", index) for index in range(num_clips(world))]
    videos = world.videos("msvd", [f"{name}.avi" for name in names])
    write_videos(raw, videos)
    write_questions(raw, world, "msvd_qa", videos, lambda video: {"video_id": video.number})
    lines = [f"{name} vid{video.number}" for name, video in zip(names, videos, strict=True)]
    (raw / "msvd_qa" / "youtube_mapping.txt").write_text("\n".join(lines), encoding="ascii")


def num_clips(world: World) -> int:
    return max(world.num_scenes // _SCENES_PER_CLIP, 5)


def write_questions(
    raw: Path,
    world: World,
    source: str,
    videos: Sequence[Video],
    fields: Callable[[Video], dict[str, Any]],
) -> None:
    """`{train,val,test}_qa.json`: every row has its video's `fields`; keys are in order."""
    next_id = 0
    for split in SPLITS:
        rows = []
        for video in videos:
            if video.split != split:
                continue
            for question in ask_about_clip(video.clip, world.random(source, video.number)):
                row = {"answer": question.answer, "id": next_id, "question": question.text.lower()}
                rows.append(dict(sorted((row | fields(video)).items())))
                next_id += 1
        write_json(raw / source / f"{split}_qa.json", rows, compact=True)


def clip_name(world: World, collection: str, index: int) -> str:
    """`<YouTube id>_<start>_<end>` of a clip that is as long as it says."""
    random = world.random(collection, index, "name")
    youtube_id = "".join(random.choices(_YOUTUBE_ID, k=11))
    start = random.randint(0, 200)
    seconds = make_clip(world.seed, collection, index).seconds
    return f"{youtube_id}_{start}_{start + seconds}"
