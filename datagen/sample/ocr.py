"""Files that TextVQA and TextCaps share: photos with printed words, and Rosetta's file of what was read."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datagen.sample.draw import SIDE, word_box
from datagen.sample.scenes import Scene, Word
from datagen.sample.world import World, write_image, write_json

FOLDERS = {"train": "train_images", "val": "train_images", "test": "test_images"}
_SCENES_PER_IMAGE = 2
_UNREAD_SHARE = 1 / 8


class Photo(NamedTuple):
    """A scene with words, and which of them were read: none at all in some images."""

    number: int
    split: str
    image_id: str
    scene: Scene
    words_read: tuple[Word, ...]


def photos(world: World, source: str, num_words: Sequence[int]) -> list[Photo]:
    """The photos of a source; how many words one has is drawn from `num_words`."""
    found = []
    for index in range(world.num_scenes // _SCENES_PER_IMAGE):
        random = world.random(source, index, "photo")
        scene = world.scene(source, index, num_words=random.choice(num_words))
        read = () if random.random() < _UNREAD_SHARE else scene.words
        image_id = world.open_images_id(source, index)
        found.append(Photo(index, world.split(index), image_id, scene, read))
    return found


def write_photos(raw: Path, photos: Iterable[Photo]) -> None:
    for photo in photos:
        folder = raw / "images" / "textvqa" / FOLDERS[photo.split]
        write_image(folder / f"{photo.image_id}.jpg", photo.scene)


def write_document(
    path: Path, name: str, split: str, version: float | str, rows: list[dict[str, Any]]
) -> None:
    """Rows under the header that all these files have."""
    document = {
        "dataset_type": split,
        "dataset_name": name,
        "dataset_version": version,
        "data": rows,
    }
    write_json(path, document)


def image_fields(photo: Photo) -> dict[str, Any]:
    """Return the columns about an image that rows of both sources have."""
    url = f"https://example.com/{photo.image_id}"
    return {
        "image_id": photo.image_id,
        "image_classes": sorted({thing.shape.capitalize() for thing in photo.scene.objects}),
        "flickr_original_url": f"{url}_o.jpg",
        "flickr_300k_url": f"{url}_z.jpg",
        "image_width": SIDE,
        "image_height": SIDE,
    }


def write_rosetta(folder: Path, split: str, version: float | str, photos: Iterable[Photo]) -> None:
    """Write the file of words that were read in a split's images."""
    rows = [rosetta_row(photo.image_id, photo.words_read) for photo in photos]
    path = folder / f"TextVQA_Rosetta_OCR_v0.2_{split}.json"
    write_document(path, "textvqa_ocr", split, version, rows)


def rosetta_row(image_id: str, words: Sequence[Word]) -> dict[str, Any]:
    """The words that were read in one image; boxes are in shares of its sides."""
    return {
        "image_id": image_id,
        "ocr_tokens": [word.text for word in words],
        "ocr_info": [{"word": word.text, "bounding_box": _box(word)} for word in words],
    }


def _box(word: Word) -> dict[str, float]:
    left, top, right, bottom = (place / SIDE for place in word_box(word))
    return {
        "top_left_x": left,
        "top_left_y": top,
        "width": right - left,
        "height": bottom - top,
        "rotation": 0.0,
        "yaw": 0.0,
        "roll": 0.0,
        "pitch": 0.0,
    }
