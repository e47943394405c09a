"""TextVQA: questions whose answers stand in the image, each with the answers of ten annotators.

Singh et al., "Towards VQA Models That Can Read", CVPR 2019. Home: https://textvqa.org.

Files, in `RAW/textvqa/`: `TextVQA_0.5.1_{train,val,test}.json`, and, if they are there,
`TextVQA_Rosetta_OCR_v0.2_{train,val,test}.json` with the words that the Rosetta system read in each
image. Images come from Open Images and are shared with TextCaps:
`RAW/images/textvqa/train_images/` for train and val, `test_images/` for test.

| field | from |
|---|---|
| example_id | `question_id` |
| question | `question` |
| answers | `answers`, all ten |
| ocr_tokens | `ocr_tokens` of the question if it has them, else those of its image (Rosetta) |
| tags | `image_classes` |
| images, group_id | `image_id` |

All tokens are kept, in Rosetta's order, less blank ones; prompts show the first 30. A question
whose image has no tokens has no `ocr_tokens`. The answers of test are hidden.

Counts: train 34,602, val 5,000, test 5,734.
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
from datagen.sources.shared.rosetta import (
    DOWNLOADS,
    ROSETTA_FILES,
    image_of,
    joined_tokens,
    rosetta_lookup,
    usable_tokens,
)
from datagen.text import clean_line


class Question(Struct, gc=False):
    question_id: int
    image_id: str
    question: str
    answers: list[str] | None = None
    image_classes: list[str] | None = None
    ocr_tokens: list[str] | None = None


def examples(row: Question, context: RowContext) -> Iterator[Example]:
    own = row.ocr_tokens
    group_id, path = image_of(row.image_id, context.split)
    yield Example(
        example_id=context.example_id(row.question_id),
        source=context.source,
        split=context.split,
        task="vqa_ocr",
        group_id=group_id,
        images=(path,),
        question=required_text(clean_line(row.question), "question"),
        answers=None if context.hidden_answers else counted(row.answers or ()),
        ocr_tokens=joined_tokens(context) if own is None else usable_tokens(own),
        tags=present(image_classes=clean_line(", ".join(row.image_classes or ()))),
    )


def _split(split: str) -> SplitFiles:
    return SplitFiles(
        split,
        Rows(f"TextVQA_0.5.1_{split}.json", Question, path=("data",)),
        examples,
        lookups={"ocr": rosetta_lookup(split)},
        hidden_answers=split == "test",
    )


SPLITS = tuple(_split(split) for split in ("train", "val", "test"))

_HUB_CARD = "the card of facebook/textvqa on the Hugging Face Hub"

CARD = SourceCard(
    id="textvqa",
    task="vqa_ocr",
    category="image question answering with reading comprehension",
    held_in=False,
    folder="textvqa",
    splits={
        "train": SplitCard(used_in_paper=False, counts={"0.5.1": unverified(34_602, _HUB_CARD)}),
        "val": SplitCard(
            used_in_paper=True,
            counts={"0.5.1": verified(5_000, "val_questions_with_rosetta_ocr.jsonl, a mirror")},
        ),
        "test": SplitCard(used_in_paper=False, counts={"0.5.1": unverified(5_734, _HUB_CARD)}),
    },
    files=(
        *(
            FileCard(
                name=f"TextVQA_0.5.1_{split}.json",
                splits=(split,),
                download=unverified(f"{DOWNLOADS}/data/TextVQA_0.5.1_{split}.json"),
            )
            for split in ("train", "val", "test")
        ),
        *ROSETTA_FILES,
    ),
    media=(
        MediaCard(
            kind="images",
            collection="textvqa",
            download=unverified(f"{DOWNLOADS}/images/{{train_val_images,test_images}}.zip"),
        ),
    ),
    home=unverified("https://textvqa.org"),
    licence=unverified("CC BY 4.0"),
    media_licence=unverified("Open Images, CC BY 2.0"),
    non_commercial=unverified(False),
    citation=unverified(
        "Singh, Natarajan, Shah, Jiang, Chen, Batra, Parikh, Rohrbach. Towards VQA Models That Can "
        "Read. CVPR 2019."
    ),
)

SOURCE = Source(CARD, SPLITS)
