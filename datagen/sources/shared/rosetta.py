"""Images of TextVQA, which TextCaps shares, and the words that the Rosetta system read in them."""

from collections.abc import Iterable

from msgspec import Struct

from datagen.schema.adapter import Lookup, RowContext
from datagen.schema.card import FileCard, unverified
from datagen.schema.example import required_text
from datagen.text import clean_line

FOLDERS = {"train": "train_images", "val": "train_images", "test": "test_images"}


class ImageTokens(Struct, gc=False):
    ocr_tokens: list[str]


DOWNLOADS = "https://dl.fbaipublicfiles.com/textvqa"

ROSETTA_FILES = tuple(
    FileCard(
        name=f"TextVQA_Rosetta_OCR_v0.2_{split}.json",
        splits=(split,),
        download=unverified(f"{DOWNLOADS}/data/TextVQA_Rosetta_OCR_v0.2_{split}.json"),
        required=False,
    )
    for split in ("train", "val", "test")
)


def rosetta_lookup(split: str) -> Lookup:
    """Return the join of an image's tokens, which finds nothing where their file is missing."""
    return Lookup(
        f"TextVQA_Rosetta_OCR_v0.2_{split}.json",
        ImageTokens,
        path=("data",),
        key="image_id",
        by="image_id",
        required=False,
    )


def joined_tokens(context: RowContext) -> tuple[str, ...] | None:
    """Return the tokens of the row's image in Rosetta's order; an image may have no row, or none.

    Raises:
        RowRejectedError: the image's row cannot be decoded.
    """
    if not context.found["ocr"]:
        return None
    ocr: ImageTokens = context.one("ocr")
    return usable_tokens(ocr.ocr_tokens)


def usable_tokens(tokens: Iterable[str]) -> tuple[str, ...] | None:
    """Return the tokens that are not blank, or None where there are none."""
    return tuple([token for token in map(clean_line, tokens) if token]) or None


def image_of(image_id: str, split: str) -> tuple[str, str]:
    """Return the group id and the media path of an image of Open Images.

    Raises:
        RowRejectedError: the id is blank.
    """
    name = required_text(clean_line(image_id), "image_id")
    return f"openimages:{name}", f"textvqa/{FOLDERS[split]}/{name}.jpg"
