"""MSRVTT-QA: one-word answers to questions generated from descriptions of MSR-VTT's web videos.

Xu et al., "Video Question Answering via Gradually Refined Attention over Appearance and Motion",
ACM MM 2017. Home: https://github.com/xudejing/video-question-answering.

Files, in `RAW/msrvtt_qa/`, either of two layouts, the first complete one is read:

- `official`: `{train,val,test}_qa.json`;
- `hqga`: `{train,val,test}.csv` as https://github.com/doc-doc/HQGA distributes them under
  `dataset/msrvtt`, with the same ids.

Videos: `RAW/videos/msrvtt/video<video_id>.mp4`.

| field | official | hqga |
|---|---|---|
| example_id | `id` | `qid` |
| question, answers | `question`, `answer` | `question`, `answer` |
| video, group_id | `video_id` | `video` |
| tags | `category_id` | `type`, 0 to 19 and the same for all questions on a video |

Questions stay as published: those of `hqga` have no question mark.

The answer vocabulary, over which predictions are ranked, is that of `train_qa.json`; the `hqga` layout
has none. Ids run on over the splits. Counts: train 158,581, val 12,278, test 72,821.
"""

from collections.abc import Iterator

from msgspec import Struct

from datagen.schema.adapter import RowContext, Rows, Source, SplitFiles
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


class CategorizedQuestion(VideoQuestion, gc=False):
    category_id: int | None = None


class HqgaQuestion(Struct, gc=False):
    video: int
    question: str
    answer: str
    qid: int
    type: int | None = None


def examples(row: CategorizedQuestion, context: RowContext) -> Iterator[Example]:
    video = f"msrvtt/video{row.video_id}.mp4"
    yield video_example(row, context, video, category=row.category_id)


def hqga(row: HqgaQuestion, context: RowContext) -> Iterator[Example]:
    yield from examples(
        CategorizedQuestion(row.qid, row.video, row.question, row.answer, row.type), context
    )


SPLITS = (
    *(
        SplitFiles(split, Rows(f"{split}_qa.json", CategorizedQuestion), examples)
        for split in SPLIT_NAMES
    ),
    *(
        SplitFiles(split, Rows(f"{split}.csv", HqgaQuestion, kind="csv"), hqga, layout_name="hqga")
        for split in SPLIT_NAMES
    ),
)

_HQGA = "https://github.com/doc-doc/HQGA"
_HQGA_VAL = "val.csv as doc-doc/HQGA distributes it"

CARD = SourceCard(
    id="msrvtt_qa",
    task="video_qa",
    category="video question answering",
    held_in=False,
    folder="msrvtt_qa",
    splits={
        "train": SplitCard(
            used_in_paper=False,
            counts={"1.0": unverified(158_581, f"the first id of {_HQGA_VAL}")},
        ),
        "val": SplitCard(used_in_paper=False, counts={"1.0": verified(12_278, _HQGA_VAL)}),
        "test": SplitCard(used_in_paper=True, counts={"1.0": unverified(72_821)}),
    },
    files=(
        *(
            FileCard(name=f"{split}_qa.json", splits=(split,), download=unverified(RELEASE))
            for split in SPLIT_NAMES
        ),
        *(
            FileCard(
                name=f"{split}.csv",
                splits=(split,),
                layout_name="hqga",
                download=unverified(_HQGA, "the repository's file list"),
            )
            for split in SPLIT_NAMES
        ),
    ),
    media=(
        MediaCard(
            kind="videos",
            collection="msrvtt",
            download=unverified(
                "http://ms-multimedia-challenge.com/2016/dataset", "README of antoyang/just-ask"
            ),
        ),
    ),
    home=unverified(RELEASE),
    citation=CITATION,
)

SOURCE = Source(CARD, SPLITS, VOCABULARY)
