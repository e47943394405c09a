"""Visual Dialog v1.0: ten rounds of questions about an image, each answer among 100 candidates.

Das et al., "Visual Dialog", CVPR 2017. Home: https://visualdialog.org.

Files, in `RAW/visdial/`: `visdial_1.0_{train,val,test}.json`, whose questions and answers are tables
of strings that the dialogs point into, and, for NDCG, `visdial_1.0_val_dense_annotations.json`.
Images: train `RAW/images/coco/{train2014,val2014}/`, val and test
`RAW/images/visdial/VisualDialog_{val2018,test2018}/`. Rows of train do not name the folder, which is a
part of the image's name; where the image is in neither, its rounds are rejected as `media_missing`, or, with
`--missing-images keep`, left out and counted as `media_path_unknown`: no path is known that could be kept.

One record is one round, with the rounds before it and the image's caption.

| field | from |
|---|---|
| example_id | `<image_id>#round7`, rounds counted from 1 |
| question, answers | the tables, at `question` and `answer` |
| candidates, correct_choice | the answer table at `answer_options`, `gt_index` |
| dialog | the rounds before |
| captions | `caption` |
| relevance | `gt_relevance` of the one round that has it |

In test only the last round has candidates, and its answer is hidden; the rounds before it are filtered
as `history_only`. Counts: train 123,287 dialogs, val 2,064, test 8,000.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import (
    Filtered,
    Lookup,
    Outcome,
    Rejected,
    RowContext,
    Rows,
    Source,
    SplitFiles,
    Table,
)
from datagen.schema.answers import Answer
from datagen.schema.card import FileCard, MediaCard, SourceCard, SplitCard, unverified
from datagen.schema.example import Example, Turn, required_text
from datagen.text import clean_line


class Round(Struct, gc=False):
    question: int
    answer: int | None = None
    answer_options: list[int] | None = None
    gt_index: int | None = None


class Dialog(Struct, gc=False):
    image_id: int
    caption: str
    dialog: list[Round]


class DenseAnnotation(Struct, gc=False):
    image_id: int
    round_id: int
    gt_relevance: list[float]


def examples(row: Dialog, context: RowContext) -> Iterator[Outcome]:
    if not row.dialog:
        raise RowRejectedError(Reason.EMPTY_TEXT, "a dialog without rounds")
    relevance: dict[int, tuple[float, ...]] = {}
    for dense in context.found.get("dense", ()):
        fault = _fault(dense, row)
        if fault is None:
            relevance[dense.round_id] = tuple(dense.gt_relevance)
        else:
            yield fault
    caption = clean_line(row.caption)
    image = _image(row.image_id, context)
    history: list[Turn] = []
    broken = ""
    for number, each in enumerate(row.dialog, start=1):
        if image is None:
            yield Rejected(Reason.MEDIA_MISSING, f"round {number}: {_nowhere(row.image_id)}")
            continue
        try:
            if broken:
                raise RowRejectedError(Reason.INCONSISTENT_ROW, broken)
            if context.hidden_answers and each.answer_options is None:
                yield Filtered("history_only")
            else:
                before, votes = tuple(history), relevance.get(number)
                yield _round(row, each, number, context, caption, image, before, votes)
            if number < len(row.dialog):
                history.append(_turn(each, number, context))
        except RowRejectedError as error:
            broken = broken or f"round {number} of this dialog, before it, cannot be used"
            yield Rejected(error.reason, f"round {number}: {error.message}")


def _round(
    row: Dialog,
    each: Round,
    number: int,
    context: RowContext,
    caption: str,
    image: str,
    history: tuple[Turn, ...],
    relevance: tuple[float, ...] | None,
) -> Example:
    options = each.answer_options
    answer = None
    if not context.hidden_answers:
        answer = required_text(_text("answers", each.answer, context), "answer")
        if options is not None and (
            each.gt_index is None
            or not 0 <= each.gt_index < len(options)
            or options[each.gt_index] != each.answer
        ):
            raise RowRejectedError(
                Reason.INCONSISTENT_ROW, f"gt_index {each.gt_index} does not point at the answer"
            )
    candidates = None
    if options:
        candidates = _texts("answers", options, context)
    return Example(
        example_id=context.example_id(f"{row.image_id}#round{number}"),
        source=context.source,
        split=context.split,
        task="dialog",
        group_id=_group(row.image_id, context),
        images=(image,),
        question=required_text(_text("questions", each.question, context), "question"),
        answers=None if answer is None else (Answer(answer, 1),),
        captions=(caption,) if caption else None,
        dialog=history or None,
        candidates=candidates,
        correct_choice=None if answer is None or not options else each.gt_index,
        relevance=relevance,
    )


def _turn(each: Round, number: int, context: RowContext) -> Turn:
    if each.answer is None:
        raise RowRejectedError(Reason.NO_ANSWERS, f"round {number} has no answer, others follow")
    return Turn(_text("questions", each.question, context), _text("answers", each.answer, context))


def _text(table: str, index: int | None, context: RowContext) -> str:
    texts: Sequence[str] = context.tables[table]
    if index is None or not 0 <= index < len(texts):
        raise RowRejectedError(
            Reason.INDEX_OUT_OF_RANGE, f"{index} is not in the table of {len(texts)} {table}"
        )
    return texts[index]


def _texts(table: str, indexes: Sequence[int], context: RowContext) -> tuple[str, ...]:
    """As `_text`, for a hundred at once."""
    texts: Sequence[str] = context.tables[table]
    if min(indexes) < 0 or max(indexes) >= len(texts):
        return tuple([_text(table, index, context) for index in indexes])  # says which
    return tuple([texts[index] for index in indexes])


def _fault(dense: DenseAnnotation | Rejected, row: Dialog) -> Rejected | None:
    """Return why a dense annotation cannot be used, if so; the dialog's rounds are used all the same."""
    if isinstance(dense, Rejected):
        return Rejected(dense.reason, f"its dense annotation: {dense.message}")
    number = dense.round_id
    options = row.dialog[number - 1].answer_options if 0 < number <= len(row.dialog) else None
    if len(options or ()) == len(dense.gt_relevance):
        return None
    message = f"{len(dense.gt_relevance)} relevances for {len(options or ())} options"
    return Rejected(Reason.INCONSISTENT_ROW, f"its dense annotation: {message} of round {number}")


def _group(image_id: int, context: RowContext) -> str:
    return f"{'coco' if context.split == 'train' else 'visdial'}:{image_id}"


def _image(image_id: int, context: RowContext) -> str | None:
    """Return the image's path; None for an image of train that is in neither of COCO's folders."""
    if context.split == "train":
        return context.media.find_existing(
            *(f"coco/{folder}/COCO_{folder}_{image_id:012d}.jpg" for folder in _COCO_FOLDERS)
        )
    folder = f"VisualDialog_{context.split}2018"
    return f"visdial/{folder}/{folder}_{image_id:012d}.jpg"


def _nowhere(image_id: int) -> str:
    names = [f"coco/{folder}/COCO_{folder}_{image_id:012d}.jpg" for folder in _COCO_FOLDERS]
    return f"neither {' nor '.join(names)} exists, and the row does not say which it is"


_COCO_FOLDERS = ("train2014", "val2014")
"""Of the training images, whose rows give a number alone."""

_STRINGS = msgspec.json.Decoder(list[str])


def _load_strings(data: bytes) -> list[str]:
    return [clean_line(text) for text in _STRINGS.decode(data)]


def _split(split: str) -> SplitFiles:
    file = f"visdial_1.0_{split}.json"
    dense = Lookup(
        "visdial_1.0_val_dense_annotations.json",
        DenseAnnotation,
        key="image_id",
        by="image_id",
        many=True,
        required=False,
    )
    return SplitFiles(
        split,
        Rows(file, Dialog, path=("data", "dialogs")),
        examples,
        lookups={"dense": dense} if split == "val" else {},
        tables={
            name: Table(file, _load_strings, path=("data", name))
            for name in ("questions", "answers")
        },
        hidden_answers=split == "test",
    )


SPLITS = tuple(_split(split) for split in ("train", "val", "test"))

_DOWNLOADS = "https://visualdialog.org/data"

CARD = SourceCard(
    id="visdial",
    task="dialog",
    category="visual conversational question answering",
    held_in=False,
    folder="visdial",
    splits={
        "train": SplitCard(used_in_paper=False, counts={"1.0": unverified(1_232_870)}),
        "val": SplitCard(
            used_in_paper=True,
            counts={"1.0": unverified(20_640)},
            note="2,064 dialogs of ten rounds",
        ),
        "test": SplitCard(used_in_paper=False, counts={"1.0": unverified(8_000)}),
    },
    files=(
        *(
            FileCard(
                name=f"visdial_1.0_{split}.json",
                splits=(split,),
                download=unverified(_DOWNLOADS),
            )
            for split in ("train", "val", "test")
        ),
        FileCard(
            name="visdial_1.0_val_dense_annotations.json",
            splits=("val",),
            download=unverified(_DOWNLOADS),
            required=False,
        ),
    ),
    media=(
        MediaCard(kind="images", collection="visdial", download=unverified(_DOWNLOADS)),
        MediaCard(
            kind="images",
            collection="coco",
            download=unverified("http://images.cocodataset.org/zips/{train2014,val2014}.zip"),
        ),
    ),
    home=unverified("https://visualdialog.org"),
    licence=unverified("CC BY 4.0"),
    media_licence=unverified("COCO and Flickr terms, per image"),
    non_commercial=unverified(False),
    citation=unverified(
        "Das, Kottur, Gupta, Singh, Yadav, Moura, Parikh, Batra. Visual Dialog. CVPR 2017."
    ),
)

SOURCE = Source(CARD, SPLITS)
