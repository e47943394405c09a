"""OCR-VQA: questions about book covers, most of which the printed words answer.

Mishra et al., "OCR-VQA: Visual Question Answering by Reading Text in Images", ICDAR 2019.
Home: https://ocr-vqa.github.io.

Files, in `RAW/ocr_vqa/`: `dataset.json` (book id -> cover, with all its questions), and the
images, `images/<book id><file extension of imageURL>`, which the release names but does not hold.
It has no OCR tokens either: where a file `ocr_tokens.jsonl` lies beside it, with lines
`{"image_id": "<book id>", "ocr_tokens": [..]}`, these are used, else there are none.

A book id is Amazon's (ASIN) and may begin with zeros. One record is one question.

| field | from |
|---|---|
| example_id | `<book id>#q3`, questions counted from 1 |
| question, answers | `questions[n]`, `answers[n]` |
| images, group_id | the book id; the extension is that of `imageURL` |
| ocr_tokens | `ocr_tokens.jsonl` |
| tags | `genre` |
| split | `split`: 1 is train, 2 val, 3 test |

A cover whose questions and answers differ in number is rejected whole, since no answer can be
trusted then; a blank question or answer costs itself. Counts: train 801,579 questions.
"""

import re
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import Outcome, Rejected, RowContext, Rows, Source, SplitFiles, Table
from datagen.schema.answers import Answer
from datagen.schema.card import (
    Fact,
    FileCard,
    MediaCard,
    SourceCard,
    SplitCard,
    unverified,
)
from datagen.schema.example import Example, present, required_text
from datagen.text import clean_line

SPLIT_NUMBERS = {1: "train", 2: "val", 3: "test"}
EXTENSION = re.compile(r"\.[A-Za-z0-9]+$")


class Cover(Struct, gc=False, rename={"image_url": "imageURL"}):
    image_url: str
    questions: list[str]
    answers: list[str]
    split: int
    genre: str | None = None


class CoverTokens(Struct, gc=False):
    image_id: str
    ocr_tokens: list[str]


def examples(row: Cover, context: RowContext) -> Iterator[Outcome]:
    if len(row.questions) != len(row.answers):
        raise RowRejectedError(
            Reason.INCONSISTENT_ROW,
            f"{len(row.questions)} questions, but {len(row.answers)} answers",
        )
    if not row.questions:
        raise RowRejectedError(Reason.EMPTY_TEXT, "a cover without questions")
    extension = EXTENSION.search(row.image_url)
    if extension is None:
        raise RowRejectedError(
            Reason.MALFORMED_ROW, f"imageURL {row.image_url!r} has no file extension"
        )
    path = f"ocr_vqa/images/{context.key}{extension[0]}"
    tokens = context.tables["ocr"].get(context.key) if "ocr" in context.tables else None
    pairs = zip(row.questions, row.answers, strict=True)
    for number, (question, answer) in enumerate(pairs, start=1):
        try:
            yield Example(
                example_id=context.example_id(f"{context.key}#q{number}"),
                source=context.source,
                split=context.split,
                task="vqa_ocr",
                group_id=f"ocr_vqa:{context.key}",
                images=(path,),
                question=required_text(clean_line(question), "question"),
                answers=(Answer(required_text(clean_line(answer), "answer"), 1),),
                ocr_tokens=tuple(tokens.split("\n")) if tokens else None,
                tags=present(genre=clean_line(row.genre or "")),
            )
        except RowRejectedError as error:
            yield Rejected(error.reason, f"question {number}: {error.message}")


def _split_of(row: Cover) -> str | None:
    return SPLIT_NUMBERS.get(row.split)


_COVER_TOKENS = msgspec.json.Decoder(CoverTokens)


def _load_tokens(data: bytes) -> dict[str, str]:
    """Book id -> its tokens, one a line: one string a cover takes a fifth of a tuple's memory."""
    found: dict[str, str] = {}
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _COVER_TOKENS.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValueError(f"line {number}: {error}") from None
        if row.image_id in found:
            raise ValueError(f"line {number} is the second one with image_id {row.image_id!r}")
        found[row.image_id] = "\n".join(filter(None, map(clean_line, row.ocr_tokens)))
    return found


_ROWS = Rows("dataset.json", Cover, kind="object", split_of=_split_of)
SPLITS = tuple(
    SplitFiles(split, _ROWS, examples, tables=tables, layout_name=layout_name)
    for layout_name, tables in (
        ("with_ocr_tokens", {"ocr": Table("ocr_tokens.jsonl", _load_tokens)}),
        ("official", {}),
    )
    for split in SPLIT_NUMBERS.values()
)

_HOME = "https://ocr-vqa.github.io"

CARD = SourceCard(
    id="ocr_vqa",
    task="vqa_ocr",
    category="image question answering with reading comprehension",
    held_in=True,
    folder="ocr_vqa",
    splits={
        "train": SplitCard(
            used_in_paper=True,
            counts={"1.0": unverified(801_579)},
            note="counts questions; 166,022 covers in howard-hou/OCR-VQA",
        ),
        "val": SplitCard(
            used_in_paper=True,
            counts={"1.0": Fact[int]()},
            note="about 100,000 questions; 20,731 covers in howard-hou/OCR-VQA",
        ),
        "test": SplitCard(
            used_in_paper=True,
            counts={"1.0": Fact[int]()},
            note="about 100,000 questions; 20,796 covers in howard-hou/OCR-VQA",
        ),
    },
    files=(
        *(
            FileCard(
                name="dataset.json",
                splits=("train", "val", "test"),
                layout_name=layout_name,
                download=unverified(_HOME),
            )
            for layout_name in ("with_ocr_tokens", "official")
        ),
        FileCard(
            name="ocr_tokens.jsonl",
            splits=("train", "val", "test"),
            layout_name="with_ocr_tokens",
        ),
    ),
    media=(
        MediaCard(
            kind="own",
            collection="ocr_vqa",
            download=unverified("each cover from its imageURL in dataset.json"),
        ),
    ),
    home=unverified(_HOME),
    media_licence=unverified("Amazon book covers"),
    citation=unverified(
        "Mishra, Shekhar, Singh, Chakraborty. OCR-VQA: Visual Question Answering by Reading Text "
        "in Images. ICDAR 2019."
    ),
)

SOURCE = Source(CARD, SPLITS)
