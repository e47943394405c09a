"""VQAv2: questions about COCO images, each with the answers of ten annotators.

Goyal et al., "Making the V in VQA Matter", CVPR 2017. Home: https://visualqa.org.

Files, in `RAW/vqav2/`: `v2_OpenEnded_mscoco_{train,val}2014_questions.json` with
`v2_mscoco_{train,val}2014_annotations.json`, and the questions of the test splits, whose answers are
hidden. Images: `RAW/images/coco/{train2014,val2014,test2015}/`.

| field | from |
|---|---|
| example_id | `question_id` |
| question | `question` |
| answers | `annotations[].answers[].answer`, all ten, in their order |
| tags | `question_type`, `answer_type` of the annotation |
| images | `image_id`, as `coco/train2014/COCO_train2014_000000458752.jpg` |

Counts: 443,757 / 214,354 questions in train and val; test-dev 107,394, test 447,793.
The paper trains on train; LAVIS's own VQAv2 training set is train and val (658,104).
"""

from collections.abc import Iterator

from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import Lookup, RowContext, Rows, Source, SplitFiles
from datagen.schema.answers import counted
from datagen.schema.card import FileCard, MediaCard, SourceCard, SplitCard, unverified
from datagen.schema.example import Example, present, required_text
from datagen.text import clean_line


class Question(Struct, gc=False):
    question_id: int
    image_id: int
    question: str


class AnnotatorAnswer(Struct, gc=False):
    answer: str


class Annotation(Struct, gc=False):
    question_id: int
    image_id: int
    answers: list[AnnotatorAnswer]
    question_type: str | None = None
    answer_type: str | None = None


IMAGES = {"train": "train2014", "val": "val2014", "test_dev": "test2015", "test": "test2015"}


def examples(row: Question, context: RowContext) -> Iterator[Example]:
    answers = tags = None
    if not context.hidden_answers:
        annotation: Annotation = context.one("annotations")
        if annotation.image_id != row.image_id:
            raise RowRejectedError(
                Reason.INCONSISTENT_ROW,
                f"question names image {row.image_id}, its annotation {annotation.image_id}",
            )
        answers = counted([each.answer for each in annotation.answers])
        tags = present(question_type=annotation.question_type, answer_type=annotation.answer_type)
    folder = IMAGES[context.split]
    yield Example(
        example_id=context.example_id(row.question_id),
        source=context.source,
        split=context.split,
        task="vqa",
        group_id=f"coco:{row.image_id}",
        images=(f"coco/{folder}/COCO_{folder}_{row.image_id:012d}.jpg",),
        question=required_text(clean_line(row.question), "question"),
        answers=answers,
        tags=tags,
    )


def _questions(split: str, subset: str, *, hidden_answers: bool = False) -> SplitFiles:
    annotations = Lookup(
        f"v2_mscoco_{subset}_annotations.json",
        Annotation,
        path=("annotations",),
        key="question_id",
        by="question_id",
        orphans=Reason.NO_QUESTION,
    )
    return SplitFiles(
        split,
        Rows(f"v2_OpenEnded_mscoco_{subset}_questions.json", Question, path=("questions",)),
        examples,
        lookups={} if hidden_answers else {"annotations": annotations},
        hidden_answers=hidden_answers,
    )


SPLITS = (
    _questions("train", "train2014"),
    _questions("val", "val2014"),
    _questions("test_dev", "test-dev2015", hidden_answers=True),
    _questions("test", "test2015", hidden_answers=True),
)

_DOWNLOADS = "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa/"


def _file(kind: str, archive: str, subset: str, *splits: str) -> FileCard:
    name = f"v2_OpenEnded_mscoco_{subset}_questions.json"
    if kind == "Annotations":
        name = f"v2_mscoco_{subset}_annotations.json"
    return FileCard(
        name=name, splits=splits, download=unverified(f"{_DOWNLOADS}v2_{kind}_{archive}_mscoco.zip")
    )


CARD = SourceCard(
    id="vqav2",
    task="vqa",
    category="image question answering",
    held_in=True,
    folder="vqav2",
    splits={
        "train": SplitCard(
            used_in_paper=True,
            counts={"2.0": unverified(443_757)},
            note="LAVIS trains its own VQAv2 models on train and val, 658,104 questions",
        ),
        "val": SplitCard(used_in_paper=False, counts={"2.0": unverified(214_354)}),
        "test_dev": SplitCard(used_in_paper=False, counts={"2.0": unverified(107_394)}),
        "test": SplitCard(used_in_paper=False, counts={"2.0": unverified(447_793)}),
    },
    files=(
        _file("Questions", "Train", "train2014", "train"),
        _file("Annotations", "Train", "train2014", "train"),
        _file("Questions", "Val", "val2014", "val"),
        _file("Annotations", "Val", "val2014", "val"),
        _file("Questions", "Test", "test-dev2015", "test_dev"),
        _file("Questions", "Test", "test2015", "test"),
    ),
    media=(
        MediaCard(
            kind="images",
            collection="coco",
            download=unverified(
                "http://images.cocodataset.org/zips/{train2014,val2014,test2015}.zip"
            ),
        ),
    ),
    home=unverified("https://visualqa.org"),
    licence=unverified("CC BY 4.0"),
    media_licence=unverified("Flickr terms, per image"),
    non_commercial=unverified(False),
    citation=unverified(
        "Goyal, Khot, Summers-Stay, Batra, Parikh. Making the V in VQA Matter: Elevating the Role of "
        "Image Understanding in Visual Question Answering. CVPR 2017."
    ),
)

SOURCE = Source(CARD, SPLITS)
