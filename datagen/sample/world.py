"""The drawn world that all writers share: which scene is which image, and how files are written."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from datagen.sample.clips import Clip, make_clip
from datagen.sample.draw import draw_scene, encode_jpeg, encode_png, write_clip
from datagen.sample.scenes import Scene, make_scene, random_for

SPLITS = ("train", "val", "test")
LICENSE = {
    "url": "https://www.apache.org/licenses/LICENSE-2.0",
    "name": "Apache License, Version 2.0",
}
"""Of what is drawn here, where a publisher's header names a licence."""

MAX_SCENES = 200_000
_MAX_IMAGE_ID = 581_921  # prime; official COCO ids reach 581,929
_IMAGE_ID_STEP = 104_729

_COCO_FOLDERS = {
    2014: {
        "train": "train2014",
        "restval": "val2014",
        "val": "val2014",
        "test": "val2014",
        "hidden": "test2015",
    },
    2017: {
        "train": "train2017",
        "restval": "train2017",
        "val": "val2017",
        "test": "val2017",
        "hidden": "test2017",
    },
}


@dataclass(frozen=True)
class Image:
    """A scene and the image of it. `role` is the split, or the part of COCO (see `World.coco`)."""

    role: str
    image_id: int
    folder: str
    file_name: str
    scene: Scene

    @property
    def path(self) -> str:
        """Relative to the raw folder."""
        return f"images/{self.folder}/{self.file_name}"


@dataclass(frozen=True)
class Video:
    """A clip and its file. `number` counts from 1 within the collection."""

    split: str
    number: int
    path: str
    clip: Clip


@dataclass(frozen=True)
class World:
    """The sample's size and seed, and all that follows from them."""

    seed: int
    num_scenes: int

    def random(self, *names: object) -> Random:
        """The generator for one decision, told from others by `names`."""
        return random_for(self.seed, *names)

    def scene(
        self,
        collection: str,
        index: int,
        *,
        num_objects: int | None = None,
        num_words: int | None = None,
    ) -> Scene:
        """Scene `index` of a collection; for the options see `make_scene`."""
        return make_scene(
            self.seed, collection, index, num_objects=num_objects, num_words=num_words
        )

    def split(self, index: int) -> str:
        """Of five scenes in a row three are for training, one each for validation and test."""
        return ("train", "train", "train", "val", "test")[index % 5]

    def coco(self, *roles: str, release: int = 2014) -> list[Image]:
        """COCO's images in these roles: all if none is named.

        `train` is train2014. val2014 is divided as Karpathy did: `restval` is for training, `val`
        and `test` are for evaluation only. `hidden` is test2015, whose answers no file tells. In
        release 2017 the same images with the same ids have other folders and names.
        """
        pictures = []
        for index in range(self.num_scenes):
            role = self._coco_role(index)
            if roles and role not in roles:
                continue
            image_id = _image_id(index)
            folder = _COCO_FOLDERS[release][role]
            prefix = f"COCO_{folder}_" if release == 2014 else ""
            name = f"{prefix}{image_id:012d}.jpg"
            pictures.append(
                Image(role, image_id, f"coco/{folder}", name, self.scene("coco", index))
            )
        return pictures

    def _coco_role(self, index: int) -> str:
        split = self.split(index)
        if split == "train":
            return "train"
        if split == "test":
            return "hidden"
        return ("val", "test", "restval", "val", "test")[index // 5 % 5]

    def own_image_id(self, index: int) -> int:
        """Ids in the manner of COCO for other collections; none of them is a COCO image's."""
        return _image_id(MAX_SCENES + index)

    def open_images_id(self, collection: str, index: int) -> str:
        """Ids in the manner of Open Images, 16 hexadecimal digits, as TextCaps and NoCaps have."""
        return f"{self.random(collection, index, 'open images id').getrandbits(64):016x}"

    def videos(self, collection: str, names: Sequence[str]) -> list[Video]:
        """The clips of a collection, one for each file name."""
        return [
            Video(
                split=self.split(index),
                number=index + 1,
                path=f"videos/{collection}/{name}",
                clip=make_clip(self.seed, collection, index),
            )
            for index, name in enumerate(names)
        ]


def _image_id(index: int) -> int:
    """Ids that differ for every index below `_MAX_IMAGE_ID`, in no order."""
    return 9 + index * _IMAGE_ID_STEP % _MAX_IMAGE_ID


def write_images(raw: Path, pictures: Iterable[Image]) -> None:
    """Draws what another source has not drawn yet."""
    for picture in pictures:
        write_image(raw / picture.path, picture.scene)


def write_image(path: Path, scene: Scene) -> None:
    """As JPEG or PNG by the path's suffix, unless the file is there."""
    if not path.exists():
        encode = {".jpg": encode_jpeg, ".png": encode_png}[path.suffix]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(draw_scene(scene)))


def write_videos(raw: Path, videos: Iterable[Video]) -> None:
    for video in videos:
        path = raw / video.path
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_clip(path, video.clip)


def write_json(
    path: Path, document: Any, *, indent: int | None = None, compact: bool = False
) -> None:
    """ASCII without a line break at the end, as the publishers write; `compact` leaves out spaces."""
    path.parent.mkdir(parents=True, exist_ok=True)
    separators = (",", ":") if compact else None
    path.write_text(json.dumps(document, indent=indent, separators=separators), encoding="ascii")
