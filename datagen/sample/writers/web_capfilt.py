"""Web CapFilt: `ccs_synthetic_filtered_large.json`, addresses with captions as BLIP writes them.

The images lie where those who fetch them put them, by the hash of their address. `write_lavis` writes
the same captions in LAVIS's layout.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from datagen.sample.scenes import Scene
from datagen.sample.words import captions
from datagen.sample.world import World, write_image, write_json


class _Fetched(NamedTuple):
    """An image of the web: its address, the place it is fetched to, and one or two captions."""

    url: str
    path: str
    scene: Scene
    captions: list[str]


def write(raw: Path, world: World) -> None:
    rows = [
        {"caption": caption, "url": fetched.url}
        for fetched in _fetch_all(raw, world)
        for caption in fetched.captions
    ]
    write_json(raw / "web_capfilt" / "ccs_synthetic_filtered_large.json", rows)


def write_lavis(raw: Path, world: World) -> None:
    """`annotation.json` as LAVIS reads it."""
    rows = [
        {"image": fetched.path, "caption": caption}
        for fetched in _fetch_all(raw, world)
        for caption in fetched.captions
    ]
    write_json(raw / "web_capfilt" / "annotation.json", rows)


def _fetch_all(raw: Path, world: World) -> list[_Fetched]:
    """As many images as there are scenes, none of them missing."""
    everything = [_fetched(world, index) for index in range(world.num_scenes)]
    for fetched in everything:
        write_image(raw / "images" / "web_capfilt" / fetched.path, fetched.scene)
    return everything


def _fetched(world: World, index: int) -> _Fetched:
    random = world.random("web_capfilt", index, "page")
    url = f"https://example.com/{random.getrandbits(32):08x}/picture-{index}.jpg?width=144&v=1"
    name = hashlib.sha256(url.encode()).hexdigest()[:32]
    scene = world.scene("web_capfilt", index)
    texts = captions(scene, random, random.choice((1, 1, 2)))
    return _Fetched(url, f"{name[:2]}/{name}.jpg", scene, [_as_blip(text) for text in texts])


def _as_blip(caption: str) -> str:
    """BLIP's captions have neither capitals nor a full stop."""
    return caption.lower().rstrip(".")
