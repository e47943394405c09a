"""Street signs: what the signs on photos of a road survey say, and which shape they have.

An example of a source in code. The survey writes text of fixed width, which no source file expresses.

Files, in `RAW/street_signs/`: `{train,val}.txt`, a sign each line, and the photos that they name.
Lines that begin with `*` are remarks.

| columns | field | becomes |
|---|---|---|
| 1-8 | number | example_id, with `/text` or `/shape` |
| 9-32 | photo | images, group_id |
| 33-44 | shape | answer to the question for the shape |
| 45- | text | answer to the question for the text; blank if the sign has none |
"""

from collections.abc import Iterator

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import Filtered, RowContext, Rows, Source, SplitFiles
from datagen.schema.answers import counted
from datagen.schema.card import FileCard, MediaCard, SourceCard, SplitCard, unverified
from datagen.schema.example import Example

NUMBER, PHOTO, SHAPE, TEXT = slice(0, 8), slice(8, 32), slice(32, 44), slice(44, None)
QUESTIONS = {"text": "What does the sign say?", "shape": "What shape is the sign?"}


def examples(line: str, context: RowContext) -> Iterator[Example | Filtered]:
    if line.startswith("*"):
        yield Filtered("remark")
        return
    number, photo, shape, text = (line[part].strip() for part in (NUMBER, PHOTO, SHAPE, TEXT))
    if not number.isdecimal() or not photo or not shape:
        raise RowRejectedError(
            Reason.MALFORMED_ROW, "no number, photo and shape in columns 1-8, 9-32 and 33-44"
        )
    for kind, answer in {"text": text, "shape": shape}.items():
        if answer:
            yield Example(
                example_id=context.example_id(f"{int(number)}/{kind}"),
                source=context.source,
                split=context.split,
                task="vqa",
                group_id=f"street_signs:{photo}",
                images=(f"street_signs/{photo}",),
                question=QUESTIONS[kind],
                answers=counted([answer]),
            )


SPLITS = tuple(
    SplitFiles(split, Rows(f"{split}.txt", str, kind="text"), examples)
    for split in ("train", "val")
)

CARD = SourceCard(
    id="street_signs",
    name="Street signs",
    task="vqa",
    category="image question answering",
    held_in=True,
    folder="street_signs",
    splits={split: SplitCard(used_in_paper=False) for split in ("train", "val")},
    files=tuple(FileCard(name=f"{split}.txt", splits=(split,)) for split in ("train", "val")),
    media=(MediaCard(kind="own", collection="street_signs"),),
    licence=unverified("CC0-1.0", "made up for this example"),
    media_licence=unverified("CC0-1.0", "made up for this example"),
    non_commercial=unverified(False, "made up for this example"),
)

SOURCE = Source(CARD, SPLITS)
