"""TextCaps: captions that mention the printed words, and the words as TextVQA's OCR file has them.

One row is one caption. The five rows of a picture do not lie together.
"""

from pathlib import Path
from typing import Any, NamedTuple

from datagen.sample.draw import SIDE
from datagen.sample.ocr import rosetta_row
from datagen.sample.scenes import Scene, Word
from datagen.sample.words import captions
from datagen.sample.world import SPLITS, World, write_json, write_picture

NUM_CAPTIONS = 5
FOLDERS = {"train": "train_images", "val": "train_images", "test": "test_images"}
_SCENES_PER_PICTURE = 2
_UNREAD_SHARE = 1 / 8


class _Photo(NamedTuple):
    number: int
    split: str
    image_id: str
    scene: Scene
    words_read: tuple[Word, ...]


def write(raw: Path, world: World) -> None:
    photos = [_photo(world, index) for index in range(world.num_scenes // _SCENES_PER_PICTURE)]
    for photo in photos:
        folder = raw / "images" / "textvqa" / FOLDERS[photo.split]
        write_picture(folder / f"{photo.image_id}.jpg", photo.scene)
    for split in SPLITS:
        mine = [photo for photo in photos if photo.split == split]
        if split == "test":
            rows = [_picture(photo) for photo in mine]
        else:
            rows = [row for photo in mine for row in _captions(world, photo)]
        world.random("textcaps", split, "order").shuffle(rows)
        _write(raw, f"TextCaps_0.1_{split}.json", "textcaps", split, 0.1, rows)
        ocr = [rosetta_row(photo.image_id, photo.words_read) for photo in mine]
        _write(raw, f"TextVQA_Rosetta_OCR_v0.2_{split}.json", "textvqa_ocr", split, 0.2, ocr)


def _photo(world: World, index: int) -> _Photo:
    """One or two words are printed in it; the OCR finds none of them in some pictures."""
    random = world.random("textcaps", index, "photo")
    scene = world.scene("textcaps", index, num_words=random.choice((1, 1, 2)))
    read = () if random.random() < _UNREAD_SHARE else scene.words
    name = world.open_images_id("textcaps", index)
    return _Photo(index, world.split(index), name, scene, read)


def _write(
    raw: Path, file: str, name: str, split: str, version: float, rows: list[dict[str, Any]]
) -> None:
    document = {
        "dataset_type": split,
        "dataset_name": name,
        "dataset_version": version,
        "data": rows,
    }
    write_json(raw / "textcaps" / file, document)


def _picture(photo: _Photo) -> dict[str, Any]:
    url = f"https://example.com/{photo.image_id}"
    return {
        "image_id": photo.image_id,
        "image_classes": sorted({thing.shape.capitalize() for thing in photo.scene.objects}),
        "flickr_original_url": f"{url}_o.jpg",
        "flickr_300k_url": f"{url}_z.jpg",
        "image_width": SIDE,
        "image_height": SIDE,
        "set_name": photo.split,
        "image_name": photo.image_id,
        "image_path": f"{'test' if photo.split == 'test' else 'train'}/{photo.image_id}.jpg",
    }


def _captions(world: World, photo: _Photo) -> list[dict[str, Any]]:
    random = world.random("textcaps", photo.number, "captions")
    texts = captions(photo.scene, random, NUM_CAPTIONS, mention_words=True)
    return [
        _picture(photo)
        | {
            "caption_id": photo.number * NUM_CAPTIONS + place,
            "caption_str": text,
            "caption_tokens": ["<s>", *text.lower().rstrip(".").split(), "</s>"],
            "reference_strs": texts,
        }
        for place, text in enumerate(texts)
    ]
