"""TextCaps: captions of images with text in them, which cannot be written without reading it.

Sidorov et al., "TextCaps: a Dataset for Image Captioning with Reading Comprehension", ECCV 2020.
Home: https://textvqa.org/textcaps.

Files, in `RAW/textcaps/`: `TextCaps_0.1_{train,val,test}.json`, whose rows lie under `data`. Optional,
and the same as TextVQA's: `TextVQA_Rosetta_OCR_v0.2_{train,val,test}.json`, the words that an OCR
program read in each image. Images: `RAW/images/textvqa/{train_images,test_images}/`, shared with
TextVQA; those of val are among the first.

In train one record is one caption. In val one record is one image with all its captions, in test one
image, whose captions are hidden. The publisher writes one row a caption and repeats all captions of
the image in each: in val the row with the smallest `caption_id` of its image makes the record, and
the others are filtered as `same_image`.

| field | from |
|---|---|
| example_id | `caption_id` in train, `image_id` elsewhere |
| captions | `caption_str` in train, `reference_strs` in val |
| ocr_tokens | `ocr_tokens` of the image's OCR row, all of them; absent where there are none |
| images | `image_id`, as `textvqa/train_images/<image_id>.jpg` |
| group_id | the same Open Images id |

Counts: train 109,765 captions of 21,953 images, val 3,166 images, test 3,289.
"""

from collections.abc import Iterator

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
)
from datagen.schema.card import FileCard, MediaCard, SourceCard, SplitCard, unverified
from datagen.schema.example import Example, required_text
from datagen.sources.shared.rosetta import (
    DOWNLOADS,
    ROSETTA_FILES,
    image_of,
    joined_tokens,
    rosetta_lookup,
)
from datagen.text import clean_line


class Caption(Struct, gc=False):
    image_id: str
    caption_id: int
    caption_str: str


class ImageCaptions(Struct, gc=False):
    """A row of val: one caption, of which only the id is used, and all captions of its image."""

    image_id: str
    caption_id: int
    reference_strs: list[str]


class CaptionId(Struct, gc=False):
    caption_id: int


class Image(Struct, gc=False):
    image_id: str


def _example(
    context: RowContext, native_id: object, image_id: str, captions: list[str] | None
) -> Example:
    group_id, path = image_of(image_id, context.split)
    references = None
    if captions is not None:
        references = tuple([required_text(clean_line(caption), "caption") for caption in captions])
    return Example(
        example_id=context.example_id(native_id),
        source=context.source,
        split=context.split,
        task="caption_ocr",
        group_id=group_id,
        images=(path,),
        captions=references,
        ocr_tokens=joined_tokens(context),
    )


def train_captions(row: Caption, context: RowContext) -> Iterator[Outcome]:
    yield _example(context, row.caption_id, row.image_id, [row.caption_str])


def val_images(row: ImageCaptions, context: RowContext) -> Iterator[Outcome]:
    usable = (each for each in context.found["same_picture"] if not isinstance(each, Rejected))
    if any(each.caption_id < row.caption_id for each in usable):
        yield Filtered("same_picture")
        return
    if not row.reference_strs:
        raise RowRejectedError(Reason.NO_ANSWERS, f"image {row.image_id} has no captions")
    yield _example(context, row.image_id, row.image_id, row.reference_strs)


def test_pictures(row: Image, context: RowContext) -> Iterator[Outcome]:
    yield _example(context, row.image_id, row.image_id, None)


def _rows(split: str, row: type[Struct]) -> Rows:
    return Rows(f"TextCaps_0.1_{split}.json", row, path=("data",))


_SAME_IMAGE = Lookup(
    "TextCaps_0.1_val.json",
    CaptionId,
    path=("data",),
    key="image_id",
    by="image_id",
    many=True,
)

SPLITS = (
    SplitFiles(
        "train", _rows("train", Caption), train_captions, lookups={"ocr": rosetta_lookup("train")}
    ),
    SplitFiles(
        "val",
        _rows("val", ImageCaptions),
        val_images,
        lookups={"same_picture": _SAME_IMAGE, "ocr": rosetta_lookup("val")},
    ),
    SplitFiles(
        "test",
        _rows("test", Image),
        test_pictures,
        lookups={"ocr": rosetta_lookup("test")},
        hidden_answers=True,
    ),
)

_LAVIS_CONFIG = "LAVIS lavis/configs/datasets"
_HUB_CARD = "lmms-lab/TextCaps dataset card"

CARD = SourceCard(
    id="textcaps",
    task="caption_ocr",
    category="image captioning with reading comprehension",
    held_in=True,
    folder="textcaps",
    splits={
        "train": SplitCard(
            used_in_paper=True,
            counts={"0.1": unverified(109_765)},
            note="counts captions, of 21,953 images",
        ),
        "val": SplitCard(
            used_in_paper=True,
            counts={"0.1": unverified(3_166, _HUB_CARD)},
            note="counts images; the publisher's rows are captions",
        ),
        "test": SplitCard(used_in_paper=False, counts={"0.1": unverified(3_289, _HUB_CARD)}),
    },
    files=(
        *(
            FileCard(
                name=f"TextCaps_0.1_{split}.json",
                splits=(split,),
                download=unverified(
                    f"{DOWNLOADS}/data/textcaps/TextCaps_0.1_{split}.json", _LAVIS_CONFIG
                ),
            )
            for split in ("train", "val", "test")
        ),
        *ROSETTA_FILES,
    ),
    media=(
        MediaCard(
            kind="images",
            collection="textvqa",
            download=unverified(f"{DOWNLOADS}/images/{{train_val_images,test_images}}.zip"),
        ),
    ),
    home=unverified("https://textvqa.org/textcaps"),
    licence=unverified("CC BY 4.0"),
    media_licence=unverified("Open Images, CC BY 2.0"),
    non_commercial=unverified(False),
    citation=unverified(
        "Sidorov, Hu, Rohrbach, Singh. TextCaps: a Dataset for Image Captioning with Reading "
        "Comprehension. ECCV 2020."
    ),
)

SOURCE = Source(CARD, SPLITS)
