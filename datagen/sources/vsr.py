"""VSR: statements on how two things in a COCO image lie to each other, true or false.

Liu, Emerson, Collier, "Visual Spatial Reasoning", TACL 2023.
Home: https://github.com/cambridgeltl/visual-spatial-reasoning.

Files, in `RAW/vsr/`, the official `data/splits/` folder: `zeroshot/{train,dev,test}.jsonl`, whose
test statements are about things that training never names, and `random/{train,dev,test}.jsonl`. The
paper evaluates on the zero-shot test split, so `zeroshot` is read where it is there, else `random`;
a split's layout is in the manifest. Images: `RAW/images/coco/{train2017,val2017}/`.

| field | from |
|---|---|
| example_id | number of the row in its file, counted from 0: the release has no ids |
| statement | `caption` |
| label | `label`: 1 is true |
| images, group_id | folder and name at the end of `image_link` |
| tags | `relation`, `subj`, `obj`, `annotator_id`, `reference_frame`, `vote_*_validator_id` |

The validators' ids are a list in the release of 2022 and the text of a list (`"[2, 62]"`) in that
of 2023; here they are text without brackets. Rows in the repository (train / dev / test):

| release | zeroshot | random |
|---|---|---|
| 2 May 2022 | 5,440 / 259 / 731 | 7,083 / 1,012 / 2,024 |
| 22 March 2023 | 3,489 / 340 / 1,222 | 7,680 / 1,097 / 2,195 |

The README's 4,713 / 231 / 616 zero-shot statements, also named for the paper, are in neither.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import RowContext, Rows, Source, SplitFiles
from datagen.schema.card import (
    Fact,
    FileCard,
    MediaCard,
    SourceCard,
    SplitCard,
    unverified,
    verified,
)
from datagen.schema.example import Example, present, required_text
from datagen.text import clean_line

LAYOUTS = ("zeroshot", "random")
OFFICIAL_NAMES = {"train": "train", "val": "dev", "test": "test"}
LINK = re.compile(r"/((?:train|val)2017)/((\d{12})\.jpg)\Z", re.ASCII)


class Judgement(Struct, gc=False):
    image: str
    image_link: str
    caption: str
    label: int
    relation: str | None = None
    subj: str | None = None
    obj: str | None = None
    annotator_id: int | None = None
    reference_frame: float | None = None
    vote_true_validator_id: list[int] | str | None = None
    vote_false_validator_id: list[int] | str | None = None


def examples(row: Judgement, context: RowContext) -> Iterator[Example]:
    link = LINK.search(row.image_link)
    if link is None:
        raise RowRejectedError(
            Reason.MALFORMED_ROW, f"image_link {row.image_link!r} names no image of COCO 2017"
        )
    folder, name, number = link.groups()
    if name != row.image:
        raise RowRejectedError(
            Reason.INCONSISTENT_ROW, f"image is {row.image!r}, but image_link ends in {name!r}"
        )
    if row.label not in (0, 1):
        raise RowRejectedError(Reason.MALFORMED_ROW, f"label is {row.label}, not 0 or 1")
    yield Example(
        example_id=context.example_id(context.row_number),
        source=context.source,
        split=context.split,
        task="statement",
        group_id=f"coco:{int(number)}",
        images=(f"coco/{folder}/{name}",),
        statement=required_text(clean_line(row.caption), "caption"),
        label=row.label == 1,
        tags=present(
            relation=clean_line(row.relation or ""),
            subj=clean_line(row.subj or ""),
            obj=clean_line(row.obj or ""),
            annotator_id=row.annotator_id,
            reference_frame=row.reference_frame,
            vote_true_validator_id=_voters(row.vote_true_validator_id),
            vote_false_validator_id=_voters(row.vote_false_validator_id),
        ),
    )


def _voters(voters: list[int] | str | None) -> str:
    """`2, 62`, from a list or from the text of one."""
    if isinstance(voters, str):
        return clean_line(voters.strip().removeprefix("[").removesuffix("]"))
    return ", ".join(map(str, voters or ()))


SPLITS = tuple(
    SplitFiles(
        split,
        Rows(f"{layout_name}/{name}.jsonl", Judgement, kind="lines"),
        examples,
        layout_name=layout_name,
    )
    for layout_name in LAYOUTS
    for split, name in OFFICIAL_NAMES.items()
)

_HOME = "https://github.com/cambridgeltl/visual-spatial-reasoning"
_README = "README.md of cambridgeltl/visual-spatial-reasoning"


def _counts(in_readme: int, *in_files: int) -> dict[str, Fact[int]]:
    """Of the zero-shot split as the README counts it, and of the files of both releases."""
    releases = ("zeroshot, 2022", "zeroshot, 2023", "random, 2022", "random, 2023")
    counts = {"zeroshot, README": unverified(in_readme, _README)}
    for release, count in zip(releases, in_files, strict=True):
        counts[release] = verified(count, "data/splits of the repository, both releases")
    return counts


CARD = SourceCard(
    id="vsr",
    task="statement",
    category="visual reasoning",
    held_in=False,
    folder="vsr",
    splits={
        "train": SplitCard(used_in_paper=False, counts=_counts(4_713, 5_440, 3_489, 7_083, 7_680)),
        "val": SplitCard(
            used_in_paper=False,
            counts=_counts(231, 259, 340, 1_012, 1_097),
            note="the official name is dev",
        ),
        "test": SplitCard(
            used_in_paper=True,
            counts=_counts(616, 731, 1_222, 2_024, 2_195),
            note="no release in the repository has the 616 statements of the README",
        ),
    },
    files=tuple(
        FileCard(
            name=f"{layout_name}/{name}.jsonl",
            splits=(split,),
            layout_name=layout_name,
            download=unverified(f"{_HOME}/tree/master/data/splits/{layout_name}", _README),
        )
        for layout_name in LAYOUTS
        for split, name in OFFICIAL_NAMES.items()
    ),
    media=(
        MediaCard(
            kind="images",
            collection="coco",
            download=unverified(
                "http://images.cocodataset.org/zips/{train2017,val2017}.zip",
                "data/README.md of cambridgeltl/visual-spatial-reasoning",
            ),
        ),
    ),
    home=verified(_HOME, _README),
    licence=verified("Apache-2.0", _README),
    media_licence=unverified("Flickr terms, per image"),
    non_commercial=unverified(False),
    citation=verified(
        "Liu, Emerson, Collier. Visual Spatial Reasoning. Transactions of the Association for "
        "Computational Linguistics, 2023.",
        _README,
    ),
)

SOURCE = Source(CARD, SPLITS)
