"""Options of all image builds, and the images that the other contestants write."""

from pathlib import Path

import msgspec

from datagen.build.options import BuildOptions, make_options

SOURCE = "coco_caption"
COLLECTION = "coco"


def image_options(source: str, output: str) -> BuildOptions:
    """Captions in LAVIS's layout, one an image, images embedded as they are."""
    return make_options(
        raw=source,
        out=f"{output}/dataset",
        sources=(SOURCE,),
        splits=("train",),
        images="embed",
    )


class Row(msgspec.Struct):
    """A row of the annotation file."""

    image: str


def image_paths(source: str) -> list[tuple[str, str]]:
    """(media path, file) of each image, in the order of the annotation file."""
    data = Path(source, SOURCE, "coco_karpathy_train.json").read_bytes()
    rows = msgspec.json.decode(data, type=list[Row])
    return [
        (f"{COLLECTION}/{row.image}", f"{source}/images/{COLLECTION}/{row.image}") for row in rows
    ]
