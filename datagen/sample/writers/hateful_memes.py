"""Hateful Memes in its five files, without any hate: here a meme's label is 1 if its text is false.

As in the real ones, neither the image nor the text alone tells. The test files have their labels,
as in the release after the challenge.
"""

import json
from pathlib import Path
from random import Random
from typing import Any

from datagen.sample.scenes import Scene
from datagen.sample.statements import Statement, about_objects
from datagen.sample.words import description
from datagen.sample.world import World, write_image

_FILES = {
    ("train", "seen"): "train",
    ("val", "seen"): "dev_seen",
    ("val", "unseen"): "dev_unseen",
    ("test", "seen"): "test_seen",
    ("test", "unseen"): "test_unseen",
}
_FIRST_ID = 1_235


def write(raw: Path, world: World) -> None:
    folder = raw / "hateful_memes"
    memes: dict[str, list[dict[str, Any]]] = {name: [] for name in _FILES.values()}
    for index in range(world.num_scenes):
        for number, phase in enumerate(("seen", "unseen")):
            name = _FILES.get((world.split(index), phase))
            if name is None:
                continue
            scene = world.scene(f"hateful_memes_{phase}", index)
            meme_id = _FIRST_ID + 2 * index + number
            picture = f"img/{meme_id:05}.png"
            write_image(folder / picture, scene)
            statement = _statement(scene, world.random("hateful_memes", meme_id))
            memes[name].append(
                {
                    "id": meme_id,
                    "img": picture,
                    "label": int(not statement.label),
                    "text": statement.text.lower().rstrip("."),
                }
            )
    for name, rows in memes.items():
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="ascii")


def _statement(scene: Scene, random: Random) -> Statement:
    """On one object, or, if none can be told from the others, on all of them."""
    return next(iter(about_objects(scene, random)), Statement(description(scene), True))
