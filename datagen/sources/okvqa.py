"""OK-VQA: questions about COCO images that ask for knowledge from outside the image.

Marino et al., "OK-VQA: A Visual Question Answering Benchmark Requiring External Knowledge", CVPR
2019. Home: https://okvqa.allenai.org.

Files, in `RAW/okvqa/`, in the layout of VQA: `OpenEnded_mscoco_{train,val}2014_questions.json` with
`mscoco_{train,val}2014_annotations.json`. Images: `RAW/images/coco/{train2014,val2014}/`.

| field | from |
|---|---|
| example_id | `question_id` |
| question | `question` |
| answers | `annotations[].answers[].answer`: stemmed, what the official score compares |
| raw_answers | `annotations[].answers[].raw_answer`, what targets are drawn from |
| tags | `question_type` (the topic: `one` to `ten`, or `other`) and `answer_type` |
| images | `image_id`, as `coco/val2014/COCO_val2014_000000297147.jpg` |

The ten answers are those of five annotators, each given twice. Annotations in which any answer
lacks its `raw_answer` have no raw answers; targets are then the stemmed ones. Releases may
differ in how answers are stemmed. Counts: 9,009 / 5,046 questions in train and val; the paper's
test is val.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from datagen.errors import Reason
from datagen.schema.adapter import Lookup, RowContext, Rows, Source, SplitFiles
from datagen.schema.answers import counted
from datagen.schema.card import (
    FileCard,
    MediaCard,
    SourceCard,
    SplitCard,
    unverified,
    verified,
)
from datagen.schema.example import Example
from datagen.sources import vqav2


class AnnotatorAnswer(Struct, gc=False):
    answer: str
    raw_answer: str | None = None


class Annotation(Struct, gc=False):
    question_id: int
    image_id: int
    answers: list[AnnotatorAnswer]
    question_type: str | None = None
    answer_type: str | None = None


def examples(row: vqav2.Question, context: RowContext) -> Iterator[Example]:
    for example in vqav2.examples(row, context):
        annotation: Annotation = context.one("annotations")
        raw = [each.raw_answer for each in annotation.answers if each.raw_answer is not None]
        if len(raw) == len(annotation.answers):
            example = msgspec.structs.replace(example, raw_answers=counted(raw))
        yield example


def _split(split: str) -> SplitFiles:
    annotations = Lookup(
        f"mscoco_{split}2014_annotations.json",
        Annotation,
        path=("annotations",),
        key="question_id",
        by="question_id",
        orphans=Reason.NO_QUESTION,
    )
    questions = f"OpenEnded_mscoco_{split}2014_questions.json"
    return SplitFiles(
        split,
        Rows(questions, vqav2.Question, path=("questions",)),
        examples,
        lookups={"annotations": annotations},
    )


SPLITS = tuple(_split(split) for split in ("train", "val"))

_DOWNLOADS = "https://okvqa.allenai.org/static/data/"
_DOWNLOADS_READ_IN = "google-research/big_vision, big_vision/datasets/okvqa/okvqa.py"
_HUB_CARD = "the card of HuggingFaceM4/OK-VQA on the Hugging Face Hub"
_VAL_QUESTIONS = "OpenEnded_mscoco_val2014_questions.json"

CARD = SourceCard(
    id="okvqa",
    task="vqa",
    category="knowledge-grounded image question answering",
    held_in=True,
    folder="okvqa",
    splits={
        "train": SplitCard(used_in_paper=True, counts={"1.0": unverified(9_009, _HUB_CARD)}),
        "val": SplitCard(
            used_in_paper=True,
            counts={"1.0": verified(5_046, _VAL_QUESTIONS)},
            note="the paper's test split",
        ),
    },
    files=tuple(
        FileCard(
            name=name.format(split),
            splits=(split,),
            download=unverified(f"{_DOWNLOADS}{name.format(split)}.zip", _DOWNLOADS_READ_IN),
        )
        for split in ("train", "val")
        for name in ("OpenEnded_mscoco_{}2014_questions.json", "mscoco_{}2014_annotations.json")
    ),
    media=(
        MediaCard(
            kind="images",
            collection="coco",
            download=unverified("http://images.cocodataset.org/zips/{train2014,val2014}.zip"),
        ),
    ),
    home=unverified("https://okvqa.allenai.org"),
    licence=verified("CC BY 4.0", _VAL_QUESTIONS),
    media_licence=unverified("Flickr terms, per image"),
    non_commercial=unverified(False),
    citation=unverified(
        "Marino, Rastegari, Farhadi, Mottaghi. OK-VQA: A Visual Question Answering Benchmark "
        "Requiring External Knowledge. CVPR 2019."
    ),
)

SOURCE = Source(CARD, SPLITS)
