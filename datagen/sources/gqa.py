"""GQA: questions made from scene graphs of Visual Genome's images, the balanced selection.

Hudson and Manning, "GQA: A New Dataset for Real-World Visual Reasoning and Compositional Question
Answering", CVPR 2019. Home: https://cs.stanford.edu/people/dorarad/gqa.

Files, in `RAW/gqa/`, each an object of questions by id:
`{train,val,testdev,test}_balanced_questions.json`. Images: `RAW/images/gqa/<imageId>.jpg`.

| field | from |
|---|---|
| example_id | the question's key, leading zeros kept |
| question, answers | `question`, `answer` |
| tags | `types`: structural, semantic, detailed; `groups.global`; `fullAnswer` |
| images, group_id | `imageId` |

Rows that are not of the balanced selection are filtered as `not_balanced`. Our `test_dev` is the
publisher's `testdev`. In test the answers are hidden. LAVIS's copies have the same file names but
are lists whose ids are numbers, without the leading zeros; they are refused. Many of the images are COCO's too, which their ids
do not tell. Counts: train 943,000, val 132,062, test-dev 12,578, test 95,336.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import Filtered, Outcome, RowContext, Rows, Source, SplitFiles
from datagen.schema.answers import counted
from datagen.schema.card import FileCard, MediaCard, SourceCard, SplitCard, unverified
from datagen.schema.example import Example, present, required_text
from datagen.text import clean_line


class Types(Struct, gc=False):
    structural: str | None = None
    semantic: str | None = None
    detailed: str | None = None


class Groups(Struct, gc=False):
    # `global` is no name in Python
    among_all: str | None = msgspec.field(default=None, name="global")


class Question(Struct, rename="camel", gc=False):
    question: str
    image_id: str
    answer: str | None = None
    full_answer: str | None = None
    is_balanced: bool = True
    types: Types | None = None
    groups: Groups | None = None


OFFICIAL_NAMES = {"train": "train", "val": "val", "test_dev": "testdev", "test": "test"}


def examples(row: Question, context: RowContext) -> Iterator[Outcome]:
    if context.key is None:
        raise RowRejectedError(Reason.MALFORMED_ROW, "the question's id cannot be read")
    if not row.is_balanced:
        yield Filtered("not_balanced")
        return
    image_id = required_text(row.image_id, "imageId")
    types, groups = row.types or Types(), row.groups or Groups()
    hidden = context.hidden_answers
    yield Example(
        example_id=context.example_id(context.key),
        source=context.source,
        split=context.split,
        task="vqa",
        group_id=f"gqa:{image_id}",
        images=(f"gqa/{image_id}.jpg",),
        question=required_text(clean_line(row.question), "question"),
        answers=None if hidden else counted([row.answer or ""]),
        tags=present(
            structural=types.structural,
            semantic=types.semantic,
            detailed=types.detailed,
            global_group=groups.among_all,
            full_answer=None if hidden else clean_line(row.full_answer or ""),
        ),
    )


SPLITS = tuple(
    SplitFiles(
        split,
        Rows(f"{name}_balanced_questions.json", Question, kind="object"),
        examples,
        hidden_answers=split == "test",
    )
    for split, name in OFFICIAL_NAMES.items()
)

_BIG_VISION = "google-research/big_vision, big_vision/datasets/gqa/gqa.py"
_DOWNLOADS = "https://downloads.cs.stanford.edu/nlp/data/gqa/"

CARD = SourceCard(
    id="gqa",
    task="vqa",
    category="visual reasoning",
    held_in=False,
    folder="gqa",
    splits={
        "train": SplitCard(used_in_paper=False, counts={"1.2": unverified(943_000, _BIG_VISION)}),
        "val": SplitCard(used_in_paper=False, counts={"1.2": unverified(132_062, _BIG_VISION)}),
        "test_dev": SplitCard(used_in_paper=True, counts={"1.2": unverified(12_578, _BIG_VISION)}),
        "test": SplitCard(used_in_paper=False, counts={"1.2": unverified(95_336)}),
    },
    files=tuple(
        FileCard(
            name=f"{name}_balanced_questions.json",
            splits=(split,),
            download=unverified(f"{_DOWNLOADS}questions1.2.zip", _BIG_VISION),
        )
        for split, name in OFFICIAL_NAMES.items()
    ),
    media=(
        MediaCard(
            kind="images",
            collection="gqa",
            download=unverified(f"{_DOWNLOADS}images.zip", _BIG_VISION),
        ),
    ),
    home=unverified("https://cs.stanford.edu/people/dorarad/gqa", _BIG_VISION),
    licence=unverified("CC BY 4.0"),
    media_licence=unverified("CC BY 4.0 (Visual Genome)"),
    non_commercial=unverified(False),
    citation=unverified(
        "Hudson, Manning. GQA: A New Dataset for Real-World Visual Reasoning and Compositional "
        "Question Answering. CVPR 2019."
    ),
)

SOURCE = Source(CARD, SPLITS)
