"""Flickr30K: five human captions each for images of people in everyday scenes.

Young et al., "From image descriptions to visual denotations", TACL 2014; splits of Karpathy and
Fei-Fei, 2015. Home: https://shannon.cs.illinois.edu/DenotationGraph.

Files, in `RAW/flickr30k/`, either of two layouts, the first complete one is read:

- `karpathy`: `dataset_flickr30k.json`;
- `lavis`: `flickr30k_{train,val,test}.json`, the same splits as LAVIS and BLIP distribute them.

Images, which are given out on request: `RAW/images/flickr30k/`; the folder `flickr30k-images` that
LAVIS's paths begin with is left out.

As in `coco_caption`, one record is one caption in train (`sentid` or row number as its id), and one
image with all its captions in val and test (the name of its file, without suffix).

| field | from |
|---|---|
| captions | `sentences[].raw`, or `caption` |
| images | `filename`, or `image` |
| group_id | the name of the image's file, without suffix |

Counts: train 145,000 captions of 29,000 images, val 1,014 and test 1,000 images.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from msgspec import Struct

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import Outcome, Rejected, RowContext, Rows, Source, SplitFiles
from datagen.schema.card import (
    FileCard,
    MediaCard,
    SourceCard,
    SplitCard,
    unverified,
    verified,
)
from datagen.schema.example import Example, required_text
from datagen.sources.coco_caption import LavisCaption, LavisImage, Sentence
from datagen.sources.shared.coco import slashes
from datagen.text import clean_line

LAVIS_FOLDER = "flickr30k-images/"


class KarpathyImage(Struct, gc=False):
    filename: str
    split: str
    sentences: list[Sentence]


def _example(context: RowContext, native_id: object, path: str, captions: list[str]) -> Example:
    return Example(
        example_id=context.example_id(native_id),
        source=context.source,
        split=context.split,
        task="caption",
        group_id=f"flickr30k:{_stem(path)}",
        images=(f"flickr30k/{path}",),
        captions=tuple([required_text(clean_line(caption), "caption") for caption in captions]),
    )


def _stem(path: str) -> str:
    stem = PurePosixPath(path).stem
    if not stem:
        raise RowRejectedError(Reason.MALFORMED_ROW, f"no image's name in {path!r}")
    return stem


def _image(context: RowContext, path: str, captions: list[str]) -> Example:
    if not captions:
        raise RowRejectedError(Reason.NO_ANSWERS, f"image {path} has no captions")
    return _example(context, _stem(path), path, captions)


def karpathy(row: KarpathyImage, context: RowContext) -> Iterator[Outcome]:
    if context.split != "train" or not row.sentences:
        yield _image(context, row.filename, [each.raw for each in row.sentences])
        return
    for each in row.sentences:
        try:
            yield _example(context, each.sentid, row.filename, [each.raw])
        except RowRejectedError as error:
            yield Rejected(error.reason, f"caption {each.sentid}: {error.message}")


def lavis_train(row: LavisCaption, context: RowContext) -> Iterator[Outcome]:
    path = slashes(row.image).removeprefix(LAVIS_FOLDER)
    yield _example(context, context.row_number, path, [row.caption])


def lavis_evaluation(row: LavisImage, context: RowContext) -> Iterator[Outcome]:
    yield _image(context, slashes(row.image).removeprefix(LAVIS_FOLDER), row.caption)


def _split_of(row: KarpathyImage) -> str | None:
    return row.split if row.split in ("train", "val", "test") else None


_KARPATHY_FILE = "dataset_flickr30k.json"

SPLITS = (
    *(
        SplitFiles(
            split,
            Rows(_KARPATHY_FILE, KarpathyImage, path=("images",), split_of=_split_of),
            karpathy,
            layout_name="karpathy",
        )
        for split in ("train", "val", "test")
    ),
    SplitFiles(
        "train", Rows("flickr30k_train.json", LavisCaption), lavis_train, layout_name="lavis"
    ),
    *(
        SplitFiles(
            split,
            Rows(f"flickr30k_{split}.json", LavisImage),
            lavis_evaluation,
            layout_name="lavis",
        )
        for split in ("val", "test")
    ),
)

_LAVIS = "https://storage.googleapis.com/sfr-vision-language-research/datasets/"
_LAVIS_CONFIG = "LAVIS lavis/configs/datasets"
_KARPATHY = "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip"
_HOME = "https://shannon.cs.illinois.edu/DenotationGraph"

CARD = SourceCard(
    id="flickr30k",
    task="caption",
    category="image captioning",
    held_in=False,
    folder="flickr30k",
    splits={
        "train": SplitCard(
            used_in_paper=False,
            counts={"karpathy": unverified(145_000)},
            note="counts captions, of 29,000 images",
        ),
        "val": SplitCard(used_in_paper=False, counts={"karpathy": unverified(1_014)}),
        "test": SplitCard(
            used_in_paper=True,
            counts={"karpathy": verified(1_000, "Flickr30k Entities test.txt")},
            note="counts images; Flickr30k Entities has the same test, and other train and val",
        ),
    },
    files=(
        FileCard(
            name=_KARPATHY_FILE,
            splits=("train", "val", "test"),
            layout_name="karpathy",
            download=unverified(_KARPATHY),
        ),
        *(
            FileCard(
                name=f"flickr30k_{split}.json",
                splits=(split,),
                layout_name="lavis",
                download=unverified(f"{_LAVIS}flickr30k_{split}.json", _LAVIS_CONFIG),
            )
            for split in ("train", "val", "test")
        ),
    ),
    media=(MediaCard(kind="images", collection="flickr30k", download=unverified(_HOME)),),
    home=unverified(_HOME),
    media_licence=unverified("Flickr terms, per image"),
    non_commercial=unverified(True),
    citation=unverified(
        "Young, Lai, Hodosh, Hockenmaier. From image descriptions to visual denotations: New "
        "similarity metrics for semantic inference over event descriptions. TACL 2014."
    ),
)

SOURCE = Source(CARD, SPLITS)
