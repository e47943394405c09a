"""Flickr30K in Karpathy's split: `dataset_flickr30k.json`, five captions an image.

`write_lavis` writes the same captions in LAVIS's layout.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

from datagen.sample.scenes import Scene
from datagen.sample.words import captions
from datagen.sample.world import SPLITS, World, write_image, write_json

NUM_CAPTIONS = 5
_SCENES_PER_IMAGE = 2
_FIRST_NUMBER = 1_000_000_000


class _Photo(NamedTuple):
    split: str
    file_name: str
    scene: Scene
    captions: list[str]


def write(raw: Path, world: World) -> None:
    images = [_karpathy(photo, number) for number, photo in enumerate(_photos(raw, world))]
    write_json(
        raw / "flickr30k" / "dataset_flickr30k.json", {"images": images, "dataset": "flickr30k"}
    )


def write_lavis(raw: Path, world: World) -> None:
    """`flickr30k_{train,val,test}.json` as LAVIS and BLIP distribute them."""
    photos = _photos(raw, world)
    for split in SPLITS:
        rows: list[dict[str, Any]] = []
        for photo in photos:
            path = f"flickr30k-images/{photo.file_name}"
            if photo.split == split == "train":
                name = photo.file_name.removesuffix(".jpg")
                rows += [
                    {"image": path, "caption": text, "image_id": name} for text in photo.captions
                ]
            elif photo.split == split:
                rows.append({"image": path, "caption": photo.captions})
        write_json(raw / "flickr30k" / f"flickr30k_{split}.json", rows)


def _photos(raw: Path, world: World) -> list[_Photo]:
    photos = []
    for index in range(world.num_scenes // _SCENES_PER_IMAGE):
        scene = world.scene("flickr30k", index)
        name = f"{_FIRST_NUMBER + world.own_image_id(index)}.jpg"
        write_image(raw / "images" / "flickr30k" / name, scene)
        texts = captions(scene, world.random("flickr30k", index, "captions"), NUM_CAPTIONS)
        photos.append(_Photo(world.split(index), name, scene, texts))
    return photos


def _karpathy(photo: _Photo, number: int) -> dict[str, Any]:
    sentences = [
        {
            "tokens": re.findall(r"\w+", caption.lower()),
            "raw": caption,
            "imgid": number,
            "sentid": number * NUM_CAPTIONS + k,
        }
        for k, caption in enumerate(photo.captions)
    ]
    return {
        "sentids": [sentence["sentid"] for sentence in sentences],
        "imgid": number,
        "sentences": sentences,
        "split": photo.split,
        "filename": photo.file_name,
    }
