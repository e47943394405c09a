"""iVQA: questions about clips of instructional videos, each answered by five annotators.

Yang et al., "Just Ask: Learning to Answer Questions from Millions of Narrated Videos", ICCV 2021.
Home: https://github.com/antoyang/just-ask.

Files, in `RAW/ivqa/`: `{train,val,test}.csv`. Videos, of HowTo100M, in `RAW/videos/howto100m/`: either
the clip, cut out, `<video_id>_<start>_<end>.mp4`, or the whole video, `<video_id>.mp4`, of which the
frames between `start` and `end` are used. Where both are there the clip is read; where neither is, the
record names the clip, whose name tells the times.

| field | from |
|---|---|
| example_id | `<video_id>_<start>_<end>`: a clip has one question |
| question | `question` |
| answers | `answer1` to `answer5`, counted; an annotator who gave none is left out |
| video | `video_id`, `start` and `end`, in seconds |
| group_id | `video_id` |

The answer vocabulary, over which predictions are ranked, are the answers that occur at least twice in
`train.csv` (2,349, a comment in Just Ask's `preproc/preproc_ivqa.py` says); an answer is worth
min(annotators who gave it / 2, 1). Counts: 6,000 / 2,000 / 2,000.
"""

from collections.abc import Iterator
from math import isfinite

from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import RowContext, Rows, Source, SplitFiles, Vocabulary
from datagen.schema.answers import counted
from datagen.schema.card import FileCard, MediaCard, SourceCard, SplitCard, unverified
from datagen.schema.example import Example, required_text
from datagen.text import clean_line


class ClipQuestion(Struct, gc=False):
    video_id: str
    start: float
    end: float
    question: str
    answer1: str | None = None
    answer2: str | None = None
    answer3: str | None = None
    answer4: str | None = None
    answer5: str | None = None

    @property
    def answers(self) -> list[str]:
        """Those that were given, each as one line."""
        given = (self.answer1, self.answer2, self.answer3, self.answer4, self.answer5)
        lines = [clean_line(answer) for answer in given if answer is not None]
        return [line for line in lines if line]


def examples(row: ClipQuestion, context: RowContext) -> Iterator[Example]:
    if not (isfinite(row.end) and 0 <= row.start < row.end):
        raise RowRejectedError(
            Reason.INCONSISTENT_ROW, f"a clip from {row.start} to {row.end} seconds"
        )
    video_id = required_text(row.video_id.strip(), "video_id")
    clip = f"{video_id}_{_seconds(row.start)}_{_seconds(row.end)}"
    cut_out, whole = f"howto100m/{clip}.mp4", f"howto100m/{video_id}.mp4"
    video = context.media.first_existing(cut_out, whole)
    yield Example(
        example_id=context.example_id(clip),
        source=context.source,
        split=context.split,
        task="video_qa",
        group_id=f"howto100m:{video_id}",
        video=video,
        clip=(row.start, row.end) if video == whole else None,
        question=required_text(clean_line(row.question), "question"),
        answers=counted(row.answers),
    )


def _seconds(time: float) -> str:
    """`12` for 12.0, `12.5` for 12.5."""
    return str(int(time)) if time.is_integer() else str(time)


SPLITS = tuple(
    SplitFiles(split, Rows(f"{split}.csv", ClipQuestion, kind="csv"), examples)
    for split in ("train", "val", "test")
)

_README = "README of antoyang/just-ask"
_FOLDER = "https://drive.google.com/drive/folders/14e7hUcy4Ti25HdRRH5LUpuJTik2cjlzb"

CARD = SourceCard(
    id="ivqa",
    task="video_qa",
    category="video question answering",
    held_in=False,
    folder="ivqa",
    splits={
        split: SplitCard(
            used_in_paper=split == "test",
            counts={
                "1.0": unverified(number, "InstructBLIP paper, appendix, rounded to thousands")
            },
        )
        for split, number in {"train": 6_000, "val": 2_000, "test": 2_000}.items()
    },
    files=tuple(
        FileCard(name=f"{split}.csv", splits=(split,), download=unverified(_FOLDER, _README))
        for split in ("train", "val", "test")
    ),
    media=(
        MediaCard(
            kind="videos",
            collection="howto100m",
            download=unverified(
                "https://docs.google.com/forms/d/e/1FAIpQLSecsMA0A0jduqEWt9EXY5wa6j-TT1GbWmBM-elQBbPhXBJkkA/viewform",
                "antoyang/just-ask issue 11: a form, after which access to the videos is given",
            ),
        ),
    ),
    home=unverified("https://github.com/antoyang/just-ask"),
    citation=unverified(
        "Yang, Miech, Sivic, Laptev, Schmid. Just Ask: Learning to Answer Questions from Millions of "
        "Narrated Videos. ICCV 2021."
    ),
)

SOURCE = Source(
    CARD,
    SPLITS,
    Vocabulary(Rows("train.csv", ClipQuestion, kind="csv"), lambda row: row.answers, min_count=2),
)
