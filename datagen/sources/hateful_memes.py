"""Hateful Memes: images with a text on them, hateful or not, often only both together.

Kiela et al., "The Hateful Memes Challenge", NeurIPS 2020.
Home: https://ai.meta.com/tools/hatefulmemes.

Files, in `RAW/hateful_memes/`: `train.jsonl`, `{dev,test}_seen.jsonl` of the challenge's first
phase, `{dev,test}_unseen.jsonl` of its second, and the images in `img/`. The paper evaluates on
`dev_seen`.

| field | from |
|---|---|
| example_id | `id`, a number or its text, without leading zeros: 1743 and `"01743"` are one meme |
| images, group_id | `img`, such as `img/01743.png` |
| text | `text`, as it stands on the image |
| label | `label`: 1 is hateful |

| split | file | memes |
|---|---|---|
| train | `train.jsonl` | 8,500 |
| val | `dev_seen.jsonl` | 500 |
| val_unseen | `dev_unseen.jsonl`, which shares memes with `dev_seen` | 540 |
| test | `test_seen.jsonl` | 1,000 |
| test_unseen | `test_unseen.jsonl` | 2,000 |

While the challenge ran, the test files had no labels. They are accepted with and without: a test
meme without label is a record without target and references. Elsewhere a label is needed.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import RowContext, Rows, Source, SplitFiles
from datagen.schema.card import FileCard, MediaCard, SourceCard, SplitCard, unverified
from datagen.schema.example import Example, required_text
from datagen.text import clean_line

OFFICIAL_NAMES = {
    "train": "train",
    "val": "dev_seen",
    "val_unseen": "dev_unseen",
    "test": "test_seen",
    "test_unseen": "test_unseen",
}


class Meme(Struct, gc=False):
    id: int | str
    img: str
    text: str
    label: int | None = None


def examples(row: Meme, context: RowContext) -> Iterator[Example]:
    if row.label is None and not context.split.startswith("test"):
        raise RowRejectedError(Reason.NO_ANSWERS, f"a meme of {context.split} without label")
    if row.label not in (0, 1, None):
        raise RowRejectedError(Reason.MALFORMED_ROW, f"label is {row.label}, not 0 or 1")
    image = PurePosixPath(required_text(clean_line(row.img), "img"))
    yield Example(
        example_id=context.example_id(_number(required_text(clean_line(str(row.id)), "id"))),
        source=context.source,
        split=context.split,
        task="classification",
        group_id=f"hateful_memes:{_number(image.stem)}",
        images=(f"hateful_memes/{row.img}",),
        text=required_text(clean_line(row.text), "text"),
        label=None if row.label is None else row.label == 1,
    )


def _number(text: str) -> str:
    """`1743` for `01743`; a text that is no number stays."""
    return text.lstrip("0") or "0" if text.isdecimal() else text


SPLITS = tuple(
    SplitFiles(split, Rows(f"{name}.jsonl", Meme, kind="lines"), examples)
    for split, name in OFFICIAL_NAMES.items()
)

_HOME = "https://ai.meta.com/tools/hatefulmemes"
_MIRROR = "the card of biecho/hateful_memes, a mirror"

CARD = SourceCard(
    id="hateful_memes",
    task="classification",
    category="image classification",
    held_in=False,
    folder="hateful_memes",
    splits={
        "train": SplitCard(used_in_paper=False, counts={"2020": unverified(8_500, _MIRROR)}),
        "val": SplitCard(
            used_in_paper=True,
            counts={"2020": unverified(500, _MIRROR)},
            note="dev_seen.jsonl",
        ),
        "val_unseen": SplitCard(
            used_in_paper=False,
            counts={"2020": unverified(540, _MIRROR)},
            note="dev_unseen.jsonl",
        ),
        "test": SplitCard(
            used_in_paper=False,
            counts={"2020": unverified(1_000, _MIRROR)},
            note="test_seen.jsonl",
        ),
        "test_unseen": SplitCard(
            used_in_paper=False,
            counts={"2020": unverified(2_000, _MIRROR)},
            note="test_unseen.jsonl",
        ),
    },
    files=tuple(
        FileCard(name=f"{name}.jsonl", splits=(split,), download=unverified(_HOME))
        for split, name in OFFICIAL_NAMES.items()
    ),
    media=(MediaCard(kind="own", collection="hateful_memes", download=unverified(_HOME)),),
    home=unverified(_HOME),
    licence=unverified("its own research licence"),
    media_licence=unverified("Getty Images, licensed for research"),
    non_commercial=unverified(True),
    citation=unverified(
        "Kiela, Firooz, Mohan, Goswami, Singh, Ringshia, Testuggine. The Hateful Memes Challenge: "
        "Detecting Hate Speech in Multimodal Memes. NeurIPS 2020."
    ),
)

SOURCE = Source(CARD, SPLITS)
