"""ScienceQA: school questions with choices, some with an image and a textual context.

Lu et al., "Learn to Explain", NeurIPS 2022. Home: https://scienceqa.github.io.

Files, in `RAW/scienceqa/`: `problems.json` (problem id -> problem) and `pid_splits.json`. Images lie
in the same folder, `{train,val,test}/<problem id>/image.png`.

| field | from |
|---|---|
| example_id | the problem's key |
| question, choices, correct_choice | `question`, `choices`, `answer` |
| context | `hint`, absent where it is blank |
| tags | `subject`, `topic`, `category`, `skill`, `grade`, `task` |

InstructBLIP uses the problems that have an image ("ScienceQA IMG"); the others are filtered and
counted as `no_image`. Counts with image: train 6,218, val 2,097, test 2,017.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import Filtered, Outcome, RowContext, Rows, Source, SplitFiles, Table
from datagen.schema.card import FileCard, MediaCard, SourceCard, SplitCard, unverified
from datagen.schema.example import Example, present, required_text
from datagen.text import clean_line, clean_paragraphs

SPLIT_NAMES = ("train", "val", "test")
PROBLEM_IDS = msgspec.json.Decoder(frozenset[str])


class Problem(Struct, gc=False):
    question: str
    choices: list[str]
    answer: int
    split: str
    hint: str = ""
    image: str | None = None
    task: str | None = None
    grade: str | None = None
    subject: str | None = None
    topic: str | None = None
    category: str | None = None
    skill: str | None = None


def examples(row: Problem, context: RowContext) -> Iterator[Outcome]:
    if context.key not in context.tables["problem_ids"]:
        raise RowRejectedError(
            Reason.INCONSISTENT_ROW,
            f"problems.json puts problem {context.key} in {row.split}, pid_splits.json does not",
        )
    if not row.image:
        yield Filtered("no_image")
        return
    if not row.choices:
        raise RowRejectedError(Reason.NO_ANSWERS, "a problem without choices")
    yield Example(
        example_id=context.example_id(context.key),
        source=context.source,
        split=context.split,
        task="multiple_choice",
        group_id=f"scienceqa:{context.key}",
        images=(f"scienceqa/{row.split}/{context.key}/{row.image}",),
        question=required_text(clean_paragraphs(row.question), "question"),
        choices=tuple([required_text(clean_line(choice), "choice") for choice in row.choices]),
        correct_choice=row.answer,
        context=clean_paragraphs(row.hint) or None,
        tags=present(
            subject=row.subject,
            topic=row.topic,
            category=row.category,
            skill=row.skill,
            grade=row.grade,
            task=row.task,
        ),
    )


def _split_of(row: Problem) -> str | None:
    return row.split if row.split in SPLIT_NAMES else None


SPLITS = tuple(
    SplitFiles(
        split,
        Rows("problems.json", Problem, kind="object", split_of=_split_of),
        examples,
        tables={"problem_ids": Table("pid_splits.json", PROBLEM_IDS.decode, path=(split,))},
    )
    for split in SPLIT_NAMES
)

_IMG_COUNTS = "the card of lmms-lab/ScienceQA on the Hugging Face Hub"
_RELEASE = "https://github.com/lupantech/ScienceQA/tree/main/data/scienceqa"

CARD = SourceCard(
    id="scienceqa",
    task="multiple_choice",
    category="knowledge-grounded image question answering",
    held_in=False,
    folder="scienceqa",
    splits={
        "train": SplitCard(used_in_paper=False, counts={"1.0": unverified(6_218, _IMG_COUNTS)}),
        "val": SplitCard(used_in_paper=False, counts={"1.0": unverified(2_097, _IMG_COUNTS)}),
        "test": SplitCard(
            used_in_paper=True,
            counts={"1.0": unverified(2_017, _IMG_COUNTS)},
            note="problems with an image; pid_splits.json lists 4,241",
        ),
    },
    files=tuple(
        FileCard(name=name, splits=SPLIT_NAMES, download=unverified(f"{_RELEASE}/{name}"))
        for name in ("problems.json", "pid_splits.json")
    ),
    media=(
        MediaCard(
            kind="own",
            collection="scienceqa",
            download=unverified("https://scienceqa.s3.us-west-1.amazonaws.com/images/{split}.zip"),
        ),
    ),
    home=unverified("https://scienceqa.github.io"),
    licence=unverified("CC BY-NC-SA 4.0"),
    media_licence=unverified("CC BY-NC-SA 4.0"),
    non_commercial=unverified(True),
    citation=unverified(
        "Lu, Mishra, Xia, Qiu, Chang, Zhu, Tafjord, Clark, Kalyan. Learn to Explain: Multimodal "
        "Reasoning via Thought Chains for Science Question Answering. NeurIPS 2022."
    ),
)

SOURCE = Source(CARD, SPLITS)
