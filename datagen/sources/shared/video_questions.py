"""Rows of MSVD-QA and MSRVTT-QA: a question about a numbered video, with one answer.

Both were made by Xu et al., "Video Question Answering via Gradually Refined Attention over Appearance
and Motion", ACM MM 2017, and are released as `{train,val,test}_qa.json`.
"""

from msgspec import Struct

from datagen.schema.adapter import RowContext, Rows, Vocabulary
from datagen.schema.answers import Answer
from datagen.schema.card import unverified
from datagen.schema.example import Example, present, required_text
from datagen.text import clean_line

SPLIT_NAMES = ("train", "val", "test")
RELEASE = "https://github.com/xudejing/video-question-answering"
CITATION = unverified(
    "Xu, Zhao, Xiao, Wu, Zhang, He, Zhuang. Video Question Answering via Gradually Refined "
    "Attention over Appearance and Motion. ACM Multimedia 2017."
)


class VideoQuestion(Struct, gc=False):
    id: int
    video_id: int
    question: str
    answer: str


def video_example(row: VideoQuestion, context: RowContext, video: str, **tags: object) -> Example:
    """The example of a question about `video`, a media path."""
    collection, _, name = video.partition("/")
    return Example(
        example_id=context.example_id(row.id),
        source=context.source,
        split=context.split,
        task="video_qa",
        group_id=f"{collection}:{name.rpartition('.')[0]}",
        video=video,
        question=required_text(clean_line(row.question), "question"),
        answers=(Answer(required_text(clean_line(row.answer), "answer"), 1),),
        tags=present(**tags),
    )


VOCABULARY = Vocabulary(Rows("train_qa.json", VideoQuestion), lambda row: (clean_line(row.answer),))
"""Every answer of the training file."""
