"""TextCaps: captions that mention the printed words, and the words as TextVQA's OCR file has them.

One row is one caption. The five rows of an image do not lie together.
"""

from pathlib import Path
from typing import Any

from datagen.sample.ocr import (
    Photo,
    image_fields,
    photos,
    write_document,
    write_photos,
    write_rosetta,
)
from datagen.sample.words import captions
from datagen.sample.world import SPLITS, World

NUM_CAPTIONS = 5


def write(raw: Path, world: World) -> None:
    taken = photos(world, "textcaps", (1, 1, 2))
    write_photos(raw, taken)
    for split in SPLITS:
        mine = [photo for photo in taken if photo.split == split]
        if split == "test":
            rows = [_image(photo) for photo in mine]
        else:
            rows = [row for photo in mine for row in _captions(world, photo)]
        world.random("textcaps", split, "order").shuffle(rows)
        write_document(
            raw / "textcaps" / f"TextCaps_0.1_{split}.json", "textcaps", split, 0.1, rows
        )
        write_rosetta(raw / "textcaps", split, 0.2, mine)


def _image(photo: Photo) -> dict[str, Any]:
    return {
        **image_fields(photo),
        "set_name": photo.split,
        "image_name": photo.image_id,
        "image_path": f"{'test' if photo.split == 'test' else 'train'}/{photo.image_id}.jpg",
    }


def _captions(world: World, photo: Photo) -> list[dict[str, Any]]:
    random = world.random("textcaps", photo.number, "captions")
    texts = captions(photo.scene, random, NUM_CAPTIONS, mention_words=True)
    return [
        _image(photo)
        | {
            "caption_id": photo.number * NUM_CAPTIONS + place,
            "caption_str": text,
            "caption_tokens": ["<s>", *text.lower().rstrip(".").split(), "</s>"],
            "reference_strs": texts,
        }
        for place, text in enumerate(texts)
    ]
