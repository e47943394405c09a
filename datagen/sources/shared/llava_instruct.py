"""The three parts of LLaVA-Instruct-150K: dialogs about an image, written by GPT-4.

Liu et al., "Visual Instruction Tuning", NeurIPS 2023. Home: https://llava-vl.github.io.

One JSON file a part, in `RAW/llava_instruct/`. Images: COCO 2017, `RAW/images/coco/train2017/`.
One record is one turn, with the turns before it.

| field | from |
|---|---|
| example_id | `<id>#turn2`, turns counted from 1 |
| question | `conversations[].value` of `human`, less `<image>` |
| response | `conversations[].value` of `gpt`, with its paragraphs |
| dialog | the turns before |
| images, group_id | `image`, a COCO 2017 file name |

`<image>` stands before the first question, after it, or nowhere; it goes, with the line break beside
it. Ids are those of the images. They occur in several parts, which the source's id tells apart;
within a part none repeats as far as is known: not in 100 real rows, and the parts' sizes fit the number
of images only so (haotian-liu/LLaVA issue 488). The turns of an id's second dialog would be rejected
as `duplicate_id`.

Speakers must alternate, `human` first. A turn that breaks this, is blank, or holds a marker of speakers
(`Human:`, `ASSISTANT:`, `###`, `</s>`: what chat formats put between turns) is rejected with all turns
after it, since they build on it. A marker inside a text may hide a further turn, so it is not cut out. 100
real rows have none.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import Outcome, Rejected, RowContext, Rows, Source, SplitFiles
from datagen.schema.card import (
    Fact,
    FileCard,
    MediaCard,
    SourceCard,
    SplitCard,
    unverified,
)
from datagen.schema.example import Example, Turn, required_text
from datagen.sources.shared.coco import coco_id
from datagen.text import clean_paragraphs, speaker_marker

_IMAGE = re.compile(r"\s*<image>\s*")


class Message(Struct, gc=False):
    value: str
    speaker: str = msgspec.field(name="from")


class Dialog(Struct, gc=False):
    id: str
    image: str
    conversations: list[Message]


def examples(row: Dialog, context: RowContext) -> Iterator[Outcome]:
    if not row.conversations:
        raise RowRejectedError(Reason.EMPTY_TEXT, "a dialog without turns")
    image_id = coco_id(row.image)
    history: list[Turn] = []
    broken = ""
    for number, start in enumerate(range(0, len(row.conversations), 2), start=1):
        try:
            if broken:
                raise RowRejectedError(Reason.INCONSISTENT_ROW, broken)
            turn = _turn(row.conversations[start : start + 2])
        except RowRejectedError as error:
            broken = broken or f"turn {number} of this dialog, before it, cannot be used"
            yield Rejected(error.reason, f"turn {number}: {error.message}")
            continue
        yield Example(
            example_id=context.example_id(f"{row.id}#turn{number}"),
            source=context.source,
            split=context.split,
            task="conversation",
            group_id=f"coco:{image_id}",
            images=(f"coco/train2017/{row.image}",),
            question=turn.question,
            response=turn.answer,
            dialog=tuple(history) or None,
        )
        history.append(turn)


def _turn(messages: Sequence[Message]) -> Turn:
    speakers = [message.speaker for message in messages]
    if speakers == ["human"]:
        raise RowRejectedError(Reason.NO_ANSWERS, "a question without an answer")
    if speakers != ["human", "gpt"]:
        raise RowRejectedError(
            Reason.INCONSISTENT_ROW, f"{' and '.join(speakers)} speak, not human and gpt"
        )
    question, response = messages
    return Turn(
        _text(_IMAGE.sub("\n", question.value), "question"), _text(response.value, "response")
    )


def _text(value: str, part: str) -> str:
    text = required_text(clean_paragraphs(value), part)
    marker = speaker_marker(text)
    if marker is not None:
        raise RowRejectedError(
            Reason.INCONSISTENT_ROW, f"the {part} holds the speaker marker {marker!r}"
        )
    return text


_REPOSITORY = "liuhaotian/LLaVA-Instruct-150K"
_LISTED = "haotian-liu/LLaVA issue 156"
UNKNOWN = Fact[int]()


def llava_instruct(
    source_id: str, file: str, *, note: str, num_turns: Fact[int] = UNKNOWN
) -> Source:
    """The source that reads one part's `file`, which has `num_turns` turns in all dialogs together."""
    card = SourceCard(
        id=source_id,
        task="conversation",
        category="LLaVA-Instruct-150K",
        held_in=True,
        folder="llava_instruct",
        splits={"train": SplitCard(used_in_paper=True, counts={"1.0": num_turns}, note=note)},
        files=(
            FileCard(
                name=file,
                splits=("train",),
                download=unverified(
                    f"https://huggingface.co/datasets/{_REPOSITORY}/resolve/main/{file}", _LISTED
                ),
            ),
        ),
        media=(
            MediaCard(
                kind="images",
                collection="coco",
                download=unverified("http://images.cocodataset.org/zips/train2017.zip"),
            ),
        ),
        home=unverified("https://llava-vl.github.io"),
        licence=unverified("CC BY-NC 4.0"),
        media_licence=unverified("Flickr terms, per image"),
        non_commercial=unverified(True),
        citation=unverified("Liu, Li, Wu, Lee. Visual Instruction Tuning. NeurIPS 2023."),
    )
    return Source(card, (SplitFiles("train", Rows(file, Dialog), examples),))
