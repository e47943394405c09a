"""Images and captions that all contestants write, read with the standard library alone."""

import json
from pathlib import Path
from typing import NamedTuple

SHARD_ROWS = 2_000
"""Images of a file, as in our shards, where a library counts in images."""
SHARD_BYTES = 1 << 27
"""Bytes of a file, where a library counts in bytes."""


class CaptionedImage(NamedTuple):
    """An image file and its caption; `path` is below the collection."""

    path: str
    file: str
    caption: str


def captioned_images(source: str) -> list[CaptionedImage]:
    """Return the images in the order of the annotation file."""
    rows = json.loads(Path(source, "coco_caption", "coco_karpathy_train.json").read_bytes())
    return [
        CaptionedImage(row["image"], f"{source}/images/coco/{row['image']}", row["caption"])
        for row in rows
    ]
