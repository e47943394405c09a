"""A-OKVQA: questions that need knowledge of the world, each with four choices and direct answers.

Schwenk et al., "A-OKVQA: A Benchmark for Visual Question Answering using World Knowledge", ECCV
2022. Home: https://github.com/allenai/aokvqa.

Files, in `RAW/aokvqa/`: `aokvqa_v1p0_{train,val,test}.json`. Images: those of the same split of
COCO 2017, `RAW/images/coco/{train2017,val2017,test2017}/`.

| field | from |
|---|---|
| example_id | `question_id`, a text |
| question | `question` |
| answers | `direct_answers`, all ten |
| choices, correct_choice | `choices`, `correct_choice_idx` |
| tags | `difficult_direct_answer`: where true, the official direct-answer score leaves it out |
| images | `image_id`, as `coco/train2017/000000299207.jpg` |

It has two tasks, so a draw asks the open question or shows the choices.
A wrong choice that is blank (val has one) is left out: an empty text would rank above all others.
Equal choices stay. Rationales are not used. In test the direct answers and the correct choice are
hidden.
Counts: 17,056 / 1,145 / 6,702 questions.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import Examples, RowContext, Rows, Source, SplitFiles
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
from datagen.text import clean_line


class Question(Struct, gc=False):
    question_id: str
    image_id: int
    question: str
    choices: list[str]
    correct_choice_idx: int | None = None
    direct_answers: list[str] | None = None
    difficult_direct_answer: bool | None = None


SPLIT_NAMES = ("train", "val", "test")
_FLAGS = {True: "true", False: "false", None: None}


def open_questions(row: Question, context: RowContext) -> Iterator[Example]:
    """The question with its direct answers and without its choices."""
    yield Example(
        example_id=context.example_id(required_text(clean_line(row.question_id), "question_id")),
        source=context.source,
        split=context.split,
        task="vqa",
        group_id=f"coco:{row.image_id}",
        images=(f"coco/{context.split}2017/{row.image_id:012d}.jpg",),
        question=required_text(clean_line(row.question), "question"),
        answers=None if context.hidden_answers else counted(row.direct_answers or ()),
        tags=present(difficult_direct_answer=_FLAGS[row.difficult_direct_answer]),
    )


def examples(row: Question, context: RowContext) -> Iterator[Example]:
    choices = [clean_line(choice) for choice in row.choices]
    if not any(choices):
        raise RowRejectedError(Reason.NO_ANSWERS, "a question without choices")
    correct = None if context.hidden_answers else _correct_choice(row, choices)
    for example in open_questions(row, context):
        yield msgspec.structs.replace(
            example,
            choices=tuple([required_text(choice, "choice") for choice in choices if choice]),
            correct_choice=correct,
        )


def _correct_choice(row: Question, choices: list[str]) -> int:
    """The place of the right choice among those that are not blank."""
    place = row.correct_choice_idx
    if place is None:
        raise RowRejectedError(Reason.NO_ANSWERS, "no choice is said to be the correct one")
    if not 0 <= place < len(choices):
        raise RowRejectedError(
            Reason.INDEX_OUT_OF_RANGE, f"choice {place} of {len(choices)} choices"
        )
    required_text(choices[place], "the correct choice")
    return len([choice for choice in choices[:place] if choice])


def split_files(examples: Examples) -> tuple[SplitFiles, ...]:
    """Every split, its rows made into examples by `examples`."""
    return tuple(
        SplitFiles(
            split,
            Rows(f"aokvqa_v1p0_{split}.json", Question),
            examples,
            hidden_answers=split == "test",
        )
        for split in SPLIT_NAMES
    )


SPLITS = split_files(examples)

_README = "github.com/allenai/aokvqa, README.md"
_DOWNLOAD = "https://prior-datasets.s3.us-east-2.amazonaws.com/aokvqa/aokvqa_v1p0.tar.gz"

CARD = SourceCard(
    id="aokvqa",
    task="vqa",
    tasks=("vqa", "multiple_choice"),
    category="knowledge-grounded image question answering",
    held_in=True,
    folder="aokvqa",
    splits={
        "train": SplitCard(
            used_in_paper=True, counts={"1.0": unverified(17_056, "InstructBLIP, appendix")}
        ),
        "val": SplitCard(
            used_in_paper=True, counts={"1.0": verified(1_145, "aokvqa_v1p0_val.json")}
        ),
        "test": SplitCard(used_in_paper=True, counts={"1.0": unverified(6_702)}),
    },
    files=tuple(
        FileCard(
            name=f"aokvqa_v1p0_{split}.json",
            splits=(split,),
            download=unverified(_DOWNLOAD, _README),
        )
        for split in SPLIT_NAMES
    ),
    media=(
        MediaCard(
            kind="images",
            collection="coco",
            download=unverified(
                "http://images.cocodataset.org/zips/{train2017,val2017,test2017}.zip", _README
            ),
        ),
    ),
    home=unverified("https://github.com/allenai/aokvqa"),
    licence=unverified("Apache-2.0"),
    media_licence=unverified("Flickr terms, per image"),
    non_commercial=unverified(False),
    citation=unverified(
        "Schwenk, Khandelwal, Clark, Marino, Mottaghi. A-OKVQA: A Benchmark for Visual Question "
        "Answering using World Knowledge. ECCV 2022."
    ),
)

SOURCE = Source(CARD, SPLITS)
