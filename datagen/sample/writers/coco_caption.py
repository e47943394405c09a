"""COCO captions in Karpathy's split: `dataset_coco.json`, five captions an image.

`write_lavis` and `write_plain` write the same captions in the two other official layouts.
"""

import re
from pathlib import Path
from typing import Any

from datagen.sample.draw import SIDE
from datagen.sample.words import captions
from datagen.sample.world import LICENSE, Image, World, write_images, write_json

NUM_CAPTIONS = 5
ROLES = ("train", "restval", "val", "test")
_FIRST_SENTENCE_ID = 48


def write(raw: Path, world: World) -> None:
    pictures = world.coco(*ROLES)
    write_images(raw, pictures)
    write_json(
        raw / "coco_caption" / "dataset_coco.json",
        {
            "images": [_karpathy(world, picture, n) for n, picture in enumerate(pictures)],
            "dataset": "coco",
        },
    )


def write_lavis(raw: Path, world: World) -> None:
    """`coco_karpathy_{train,val,test}.json` as LAVIS and BLIP distribute them."""
    write_images(raw, world.coco(*ROLES))
    train = [
        {
            "caption": caption,
            "image": _image_path(picture),
            "image_id": f"coco_{picture.image_id}",
        }
        for picture in world.coco("train", "restval")
        for caption in coco_captions(world, picture)
    ]
    write_json(raw / "coco_caption" / "coco_karpathy_train.json", train)
    for role in ("val", "test"):
        rows = [
            {"image": _image_path(picture), "caption": coco_captions(world, picture)}
            for picture in world.coco(role)
        ]
        write_json(raw / "coco_caption" / f"coco_karpathy_{role}.json", rows)


def write_plain(raw: Path, world: World) -> None:
    """`captions_{train,val}2014.json` as COCO distributes them."""
    pictures = world.coco(*ROLES)
    write_images(raw, pictures)
    for subset in ("train2014", "val2014"):
        some = [(n, p) for n, p in enumerate(pictures) if p.folder == f"coco/{subset}"]
        write_json(
            raw / "coco_caption" / f"captions_{subset}.json",
            {
                "info": {
                    "description": "Drawn scenes in the layout of COCO 2014; not the COCO dataset.",
                    "url": "http://cocodataset.org",
                    "version": "1.0",
                    "year": 2014,
                    "contributor": "visinstruct",
                    "date_created": "2017/09/01",
                },
                "images": [_plain_image(picture) for _, picture in some],
                "licenses": [{"url": LICENSE["url"], "id": 1, "name": LICENSE["name"]}],
                "annotations": [
                    {"image_id": picture.image_id, "id": _sentence_id(n, k), "caption": caption}
                    for n, picture in some
                    for k, caption in enumerate(coco_captions(world, picture))
                ],
            },
        )


def coco_captions(world: World, picture: Image) -> list[str]:
    """The image's five captions, the same in every layout."""
    random = world.random("coco_caption", picture.image_id)
    return captions(picture.scene, random, NUM_CAPTIONS)


def _karpathy(world: World, picture: Image, number: int) -> dict[str, Any]:
    sentences = [
        {
            "tokens": re.findall(r"\w+", caption.lower()),
            "raw": caption,
            "imgid": number,
            "sentid": _sentence_id(number, k),
        }
        for k, caption in enumerate(coco_captions(world, picture))
    ]
    return {
        "filepath": picture.folder.removeprefix("coco/"),
        "sentids": [sentence["sentid"] for sentence in sentences],
        "filename": picture.file_name,
        "imgid": number,
        "split": picture.role,
        "sentences": sentences,
        "cocoid": picture.image_id,
    }


def _plain_image(picture: Image) -> dict[str, Any]:
    folder = picture.folder.removeprefix("coco/")
    return {
        "license": 1,
        "file_name": picture.file_name,
        "coco_url": f"http://images.cocodataset.org/{folder}/{picture.file_name}",
        "height": SIDE,
        "width": SIDE,
        "date_captured": "2013-11-14 00:00:00",
        "flickr_url": "",
        "id": picture.image_id,
    }


def _sentence_id(number: int, k: int) -> int:
    return _FIRST_SENTENCE_ID + number * NUM_CAPTIONS + k


def _image_path(picture: Image) -> str:
    return f"{picture.folder.removeprefix('coco/')}/{picture.file_name}"
