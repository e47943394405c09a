"""NoCaps: ten captions an image in val, images alone in test, whose captions nobody tells."""

from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from datagen.sample.draw import SIDE
from datagen.sample.scenes import Scene
from datagen.sample.words import captions
from datagen.sample.world import LICENSE, World, write_image, write_json

NUM_CAPTIONS = 10
DOMAINS = ("in-domain", "near-domain", "out-domain")
_SCENES_PER_IMAGE = 3
_DATE = "2018-11-06 11:04:33"


class _Photo(NamedTuple):
    split: str
    number: int  # within the split
    open_images_id: str
    scene: Scene


def write(raw: Path, world: World) -> None:
    photos = _photos(world)
    for photo in photos:
        path = raw / "images" / "nocaps" / photo.split / f"{photo.open_images_id}.jpg"
        write_image(path, photo.scene)
    val = [photo for photo in photos if photo.split == "val"]
    document = _header("validation", [_image(photo) | _domain(photo) for photo in val])
    document["annotations"] = [
        {"image_id": photo.number, "id": photo.number * NUM_CAPTIONS + k, "caption": caption}
        for photo in val
        for k, caption in enumerate(_captions(world, photo))
    ]
    write_json(raw / "nocaps" / "nocaps_val_4500_captions.json", document)
    test = [_image(photo) for photo in photos if photo.split == "test"]
    write_json(raw / "nocaps" / "nocaps_test_image_info.json", _header("test", test))


def _photos(world: World) -> list[_Photo]:
    """Of three images in a row two are for validation, one for test."""
    photos = []
    numbers = {"val": count(), "test": count()}
    for index in range(world.num_scenes // _SCENES_PER_IMAGE):
        split = "test" if index % 3 == 2 else "val"
        name = world.open_images_id("nocaps", index)
        scene = world.scene("nocaps", index)
        photos.append(_Photo(split, next(numbers[split]), name, scene))
    return photos


def _captions(world: World, photo: _Photo) -> list[str]:
    random = world.random("nocaps", photo.open_images_id)
    half = NUM_CAPTIONS // 2
    return captions(photo.scene, random, half) + captions(photo.scene, random, half)


def _header(split: str, images: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "licenses": [{"url": LICENSE["url"], "id": 0, "name": LICENSE["name"]}],
        "info": {
            "url": "http://nocaps.org",
            "date_created": "2018/11/06",
            "version": "0.2",
            "description": f"Drawn scenes in the layout of the nocaps {split} dataset; not nocaps.",
            "contributor": "visinstruct",
            "year": 2018,
        },
        "images": images,
    }


def _image(photo: _Photo) -> dict[str, Any]:
    name = f"{photo.open_images_id}.jpg"
    return {
        "height": SIDE,
        "file_name": name,
        "width": SIDE,
        "coco_url": f"https://s3.amazonaws.com/nocaps/{photo.split}/{name}",
        "open_images_id": photo.open_images_id,
        "id": photo.number,
        "license": 0,
        "date_captured": _DATE,
    }


def _domain(photo: _Photo) -> dict[str, str]:
    return {"domain": DOMAINS[photo.number % len(DOMAINS)]}
