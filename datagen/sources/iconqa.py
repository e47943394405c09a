"""IconQA: school questions about abstract drawings; of its three tasks, the choice among texts.

Lu et al., "IconQA: A New Benchmark for Abstract Diagram Understanding and Visual Language
Reasoning", NeurIPS 2021 Datasets and Benchmarks. Home: https://iconqa.github.io.

Files, in `RAW/iconqa/`, the unpacked `iconqa_data.zip`, in either of two layouts:

- `official`: `iconqa_data/problems.json` (problem id -> problem), `iconqa_data/pid_splits.json`,
  whose list `choose_txt_train` holds the ids of the training split, and so on;
- `folders`: `iconqa_data/iconqa/<split>/choose_txt/<problem id>/data.json`, one file a problem.

Images lie in these folders in both: `.../<problem id>/image.png`.

| field | from |
|---|---|
| example_id, group_id | the problem's key, or its folder's name |
| question, choices, correct_choice | `question`, `choices`, `answer` |
| context | `hint`, where there is one |
| tags | `grade`, `label` (a code of the skill) |

InstructBLIP uses multi-text-choice. Problems of the other tasks, whose choices are images or
whose answer is written, are filtered and counted as `other_task`. Counts: train 18,946, val 6,316,
test 6,316.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import Filtered, Outcome, RowContext, Rows, Source, SplitFiles, Table
from datagen.schema.card import (
    FileCard,
    MediaCard,
    SourceCard,
    SplitCard,
    unverified,
    verified,
)
from datagen.schema.example import Example, present, required_text
from datagen.text import clean_line, clean_paragraphs

SPLIT_NAMES = ("train", "val", "test")
TASK = "choose_txt"
PROBLEM_IDS = msgspec.json.Decoder(frozenset[str])


class Problem(Struct, gc=False):
    """`answer` is a place among `choices`, or text where a blank is to be filled."""

    question: str
    answer: int | str
    ques_type: str
    choices: list[str] | None = None
    hint: str | None = None
    grade: str | None = None
    label: str | None = None
    split: str | None = None


class ProblemFile(Struct, gc=False):
    path: str
    row: Problem


def official(row: Problem, context: RowContext) -> Iterator[Outcome]:
    if row.ques_type == TASK and context.key not in context.tables["problem_ids"]:
        raise RowRejectedError(
            Reason.INCONSISTENT_ROW,
            f"problems.json puts problem {context.key} in {row.split}, pid_splits.json does not",
        )
    yield from _examples(row, context, context.key or "")


def folders(row: ProblemFile, context: RowContext) -> Iterator[Outcome]:
    problem_id, _, file = row.path.partition("/")
    if file != "data.json":
        raise RowRejectedError(Reason.MALFORMED_ROW, f"{row.path!r} names no problem's file")
    if row.row.ques_type != TASK:
        raise RowRejectedError(
            Reason.INCONSISTENT_ROW, f"ques_type is {row.row.ques_type!r} in a folder of {TASK}"
        )
    yield from _examples(row.row, context, problem_id)


def _examples(row: Problem, context: RowContext, problem_id: str) -> Iterator[Outcome]:
    if row.ques_type != TASK:
        yield Filtered("other_task")
        return
    if not row.choices:
        raise RowRejectedError(Reason.NO_ANSWERS, "a problem without choices")
    if isinstance(row.answer, str):
        raise RowRejectedError(Reason.MALFORMED_ROW, f"answer {row.answer!r} is no choice's place")
    folder = f"iconqa/iconqa_data/iconqa/{context.split}/{TASK}/{problem_id}"
    yield Example(
        example_id=context.example_id(required_text(problem_id, "the problem's id")),
        source=context.source,
        split=context.split,
        task="multiple_choice",
        group_id=f"iconqa:{problem_id}",
        images=(f"{folder}/image.png",),
        question=required_text(clean_paragraphs(row.question), "question"),
        choices=tuple([required_text(clean_line(choice), "choice") for choice in row.choices]),
        correct_choice=row.answer,
        context=clean_paragraphs(row.hint or "") or None,
        tags=present(grade=row.grade, label=row.label),
    )


def _split_of(row: Problem) -> str | None:
    return row.split if row.split in SPLIT_NAMES else None


SPLITS = (
    *(
        SplitFiles(
            split,
            Rows("iconqa_data/problems.json", Problem, kind="object", split_of=_split_of),
            official,
            tables={
                "problem_ids": Table(
                    "iconqa_data/pid_splits.json", PROBLEM_IDS.decode, path=(f"{TASK}_{split}",)
                )
            },
        )
        for split in SPLIT_NAMES
    ),
    *(
        SplitFiles(
            split,
            Rows(f"iconqa_data/iconqa/{split}/{TASK}/*/data.json", ProblemFile, kind="lines"),
            folders,
            layout_name="folders",
        )
        for split in SPLIT_NAMES
    ),
)

_README = "README.md of lupantech/IconQA"
_DOWNLOAD = verified("https://iconqa2021.s3.us-west-1.amazonaws.com/iconqa_data.zip", _README)

CARD = SourceCard(
    id="iconqa",
    task="multiple_choice",
    category="visual reasoning",
    held_in=False,
    folder="iconqa",
    splits={
        "train": SplitCard(used_in_paper=False, counts={"1.0": verified(18_946, _README)}),
        "val": SplitCard(used_in_paper=False, counts={"1.0": verified(6_316, _README)}),
        "test": SplitCard(
            used_in_paper=True,
            counts={"1.0": verified(6_316, _README)},
            note="the multi-text-choice task of three",
        ),
    },
    files=(
        *(
            FileCard(name=f"iconqa_data/{name}", splits=SPLIT_NAMES, download=_DOWNLOAD)
            for name in ("problems.json", "pid_splits.json")
        ),
        *(
            FileCard(
                name=f"iconqa_data/iconqa/{split}/{TASK}/*/data.json",
                splits=(split,),
                layout_name="folders",
                download=_DOWNLOAD,
            )
            for split in SPLIT_NAMES
        ),
    ),
    media=(MediaCard(kind="own", collection="iconqa", download=_DOWNLOAD),),
    home=verified("https://iconqa.github.io", _README),
    licence=verified("CC BY-NC-SA 4.0", _README),
    media_licence=unverified("CC BY-NC-SA 4.0"),
    non_commercial=verified(True, _README),
    citation=verified(
        "Lu, Qiu, Chen, Xia, Zhao, Zhang, Yu, Liang, Zhu. IconQA: A New Benchmark for Abstract "
        "Diagram Understanding and Visual Language Reasoning. NeurIPS 2021, Track on Datasets and "
        "Benchmarks.",
        _README,
    ),
)

SOURCE = Source(CARD, SPLITS)
