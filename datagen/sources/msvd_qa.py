"""MSVD-QA: one-word answers to questions generated from descriptions of short YouTube clips.

Xu et al., "Video Question Answering via Gradually Refined Attention over Appearance and Motion",
ACM MM 2017. Home: https://github.com/xudejing/video-question-answering.

Files, in `RAW/msvd_qa/`: `{train,val,test}_qa.json` and `youtube_mapping.txt`, whose lines
(`-4wsuPCjDBc_5_15 vid1`) lead from a video's number to its clip. Clips: `RAW/videos/msvd/*.avi`.

| field | from |
|---|---|
| example_id | `id` |
| question, answers | `question`, `answer` |
| video, group_id | the mapping, at `vid<video_id>` |

The answer vocabulary, over which predictions are ranked, is that of `train_qa.json` (1,852 answers;
LAVIS's 2,423 are those of all three splits). Counts: train 30,933, val 6,415, test 13,157.
"""

from collections.abc import Iterator

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import RowContext, Rows, Source, SplitFiles, Table
from datagen.schema.card import FileCard, MediaCard, SourceCard, SplitCard, unverified, verified
from datagen.schema.example import Example
from datagen.sources.shared.video_questions import (
    CITATION,
    RELEASE,
    SPLIT_NAMES,
    VOCABULARY,
    VideoQuestion,
    video_example,
)


def examples(row: VideoQuestion, context: RowContext) -> Iterator[Example]:
    clip = context.tables["clips"].get(f"vid{row.video_id}")
    if clip is None:
        raise RowRejectedError(
            Reason.INCONSISTENT_ROW, f"youtube_mapping.txt has no line for vid{row.video_id}"
        )
    yield video_example(row, context, f"msvd/{clip}.avi")


def _load_clips(data: bytes) -> dict[str, str]:
    """`vid1` -> `-4wsuPCjDBc_5_15`."""
    clips = {}
    for number, line in enumerate(data.decode("utf-8-sig").splitlines(), start=1):
        match line.split():
            case [clip, video]:
                clips[video] = clip
            case []:
                pass
            case _:
                raise ValueError(f"line {number} is {line!r}, not a clip and its number")
    return clips


SPLITS = tuple(
    SplitFiles(
        split,
        Rows(f"{split}_qa.json", VideoQuestion),
        examples,
        tables={"clips": Table("youtube_mapping.txt", _load_clips)},
    )
    for split in SPLIT_NAMES
)

CARD = SourceCard(
    id="msvd_qa",
    task="video_qa",
    category="video question answering",
    held_in=False,
    folder="msvd_qa",
    splits={
        "train": SplitCard(used_in_paper=False, counts={"1.0": unverified(30_933)}),
        "val": SplitCard(used_in_paper=False, counts={"1.0": verified(6_415, "val_qa.json")}),
        "test": SplitCard(used_in_paper=True, counts={"1.0": verified(13_157, "test_qa.json")}),
    },
    files=(
        *(
            FileCard(name=f"{split}_qa.json", splits=(split,), download=unverified(RELEASE))
            for split in SPLIT_NAMES
        ),
        FileCard(
            name="youtube_mapping.txt",
            splits=SPLIT_NAMES,
            download=unverified(RELEASE, "README.md of xudejing/video-question-answering"),
        ),
    ),
    media=(
        MediaCard(
            kind="videos",
            collection="msvd",
            download=unverified(
                "https://www.cs.utexas.edu/users/ml/clamp/videoDescription/YouTubeClips.tar"
            ),
        ),
    ),
    home=unverified(RELEASE),
    citation=CITATION,
)

SOURCE = Source(CARD, SPLITS, VOCABULARY)
