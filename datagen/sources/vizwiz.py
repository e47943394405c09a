"""VizWiz-VQA: images that blind people took, and what they asked about them.

Gurari et al., "VizWiz Grand Challenge: Answering Visual Questions from Blind People", CVPR 2018.
Home: https://vizwiz.org/tasks-and-datasets/vqa/.

Files, in `RAW/vizwiz/`: `{train,val,test}.json`. Images, of all splits in one folder
or, as the archives unpack, in one a split: `RAW/images/vizwiz/` or `RAW/images/vizwiz/{train,val,test}/`.

| field | from |
|---|---|
| example_id | `image` without its suffix: an image has one question |
| question | `question`, as it was spoken |
| answers | `answers[].answer`, all ten; they have no `answer_id` |
| tags | `answer_type`, `answerable` (1 or 0) |
| images | `image`, as `vizwiz/VizWiz_val_00000001.jpg` |

Questions that cannot be answered stay, with the answer `unanswerable` as annotators gave it. In
test the answers are hidden. An earlier release has fewer rows (3,172 in val) and other image
names. Counts: 20,523 / 4,319 / 8,000 questions.
"""

from collections.abc import Iterator

from msgspec import Struct

from datagen.schema.adapter import RowContext, Rows, Source, SplitFiles
from datagen.schema.answers import counted
from datagen.schema.card import (
    FileCard,
    MediaCard,
    SourceCard,
    SplitCard,
    unverified,
    verified,
)
from datagen.schema.example import Example, present, required_text
from datagen.sources.shared.coco import slashes
from datagen.text import clean_line


class AnnotatorAnswer(Struct, gc=False):
    answer: str


class Question(Struct, gc=False):
    image: str
    question: str
    answers: list[AnnotatorAnswer] | None = None
    answer_type: str | None = None
    answerable: int | None = None


SPLIT_NAMES = ("train", "val", "test")


def examples(row: Question, context: RowContext) -> Iterator[Example]:
    name = slashes(row.image).rpartition("/")[2]
    stem = required_text(name.rpartition(".")[0] or name, "image")
    path = context.media.first_existing(
        f"vizwiz/{slashes(row.image)}", f"vizwiz/{context.split}/{name}"
    )
    answers = tags = None
    if not context.hidden_answers:
        answers = counted([each.answer for each in row.answers or ()])
        tags = present(answer_type=row.answer_type, answerable=row.answerable)
    yield Example(
        example_id=context.example_id(stem),
        source=context.source,
        split=context.split,
        task="vqa",
        group_id=f"vizwiz:{stem}",
        images=(path,),
        question=required_text(clean_line(row.question), "question"),
        answers=answers,
        tags=tags,
    )


SPLITS = tuple(
    SplitFiles(split, Rows(f"{split}.json", Question), examples, hidden_answers=split == "test")
    for split in SPLIT_NAMES
)

_DOWNLOADS = "https://vizwiz.cs.colorado.edu/VizWiz_final/"
_HUB_CARD = "the card of lmms-lab/VizWiz-VQA on the Hugging Face Hub"

CARD = SourceCard(
    id="vizwiz",
    task="vqa",
    category="image question answering",
    held_in=False,
    folder="vizwiz",
    splits={
        "train": SplitCard(used_in_paper=False, counts={"current": unverified(20_523)}),
        "val": SplitCard(
            used_in_paper=False,
            counts={
                "current": unverified(4_319, _HUB_CARD),
                "earlier": verified(3_172, "val.json"),
            },
        ),
        "test": SplitCard(
            used_in_paper=True,
            counts={"current": unverified(8_000, _HUB_CARD)},
            note="scored by the publisher's server, as test-dev",
        ),
    },
    files=tuple(
        FileCard(
            name=f"{split}.json",
            splits=(split,),
            download=unverified(f"{_DOWNLOADS}vqa_data/Annotations.zip"),
        )
        for split in SPLIT_NAMES
    ),
    media=(
        MediaCard(
            kind="images",
            collection="vizwiz",
            download=unverified(
                f"{_DOWNLOADS}images/{{train,val,test}}.zip",
                "google-research/big_vision, big_vision/datasets/vizwizvqa/vizwizvqa.py",
            ),
        ),
    ),
    home=unverified("https://vizwiz.org/tasks-and-datasets/vqa/"),
    licence=unverified("CC BY 4.0"),
    media_licence=unverified("CC BY 4.0"),
    non_commercial=unverified(False),
    citation=unverified(
        "Gurari, Li, Stangl, Guo, Lin, Grauman, Luo, Bigham. VizWiz Grand Challenge: Answering "
        "Visual Questions from Blind People. CVPR 2018."
    ),
)

SOURCE = Source(CARD, SPLITS)
