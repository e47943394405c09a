"""VSR's zero-shot split: statements on where things lie, about COCO's images of 2017.

Training statements are about images that captions train on too, the others about images that
none trains on. `write_random` writes the same statements as the random split, which is the other
layout.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from datagen.sample.scenes import CELLS, Scene
from datagen.sample.statements import Statement, about_pairs
from datagen.sample.words import WHERE, description, names, other_cells
from datagen.sample.world import Image, World, write_images

_ROLES = {"train": ("train", "restval"), "dev": ("val",), "test": ("test",)}
_MAX_VOTES = 3
_NUM_ANNOTATORS = 26


def write(raw: Path, world: World) -> None:
    _write(raw, world, "zeroshot", as_text=True)


def write_random(raw: Path, world: World) -> None:
    """Here the validators' ids are lists, as in the first release."""
    _write(raw, world, "random", as_text=False)


def _write(raw: Path, world: World, folder: str, *, as_text: bool) -> None:
    for name, roles in _ROLES.items():
        pictures = world.coco(*roles, release=2017)
        write_images(raw, pictures)
        rows = [row for picture in pictures for row in _rows(world, picture, as_text=as_text)]
        path = raw / "vsr" / folder / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="ascii")


def _rows(world: World, picture: Image, *, as_text: bool) -> Iterator[dict[str, Any]]:
    random = world.random("vsr", picture.image_id)
    for statement in _statements(picture.scene, random):
        votes = random.sample(range(_NUM_ANNOTATORS), random.randint(1, _MAX_VOTES))
        yes, no = (votes, []) if statement.label else ([], votes)
        yield {
            "image": picture.file_name,
            "image_link": f"http://images.cocodataset.org/{_subset(picture)}/{picture.file_name}",
            "caption": statement.text,
            "label": int(statement.label),
            "relation": statement.relation,
            "annotator_id": random.randrange(_NUM_ANNOTATORS),
            "vote_true_validator_id": str(yes) if as_text else yes,
            "vote_false_validator_id": str(no) if as_text else no,
            "reference_frame": None,
        }


def _subset(picture: Image) -> str:
    return picture.folder.removeprefix("coco/")


def _statements(scene: Scene, random: Random) -> list[Statement]:
    """At least one: of things that cannot be told apart all is said at once."""
    found = [*about_pairs(scene, random), *_places(scene, random)]
    first = WHERE[CELLS[scene.objects[0].cell]]
    return found or [Statement(description(scene), True, _preposition(first))]


def _places(scene: Scene, random: Random) -> Iterator[Statement]:
    """Yield statements on the place of each object that can be distinguished, true and false ones."""
    for thing in scene.objects:
        for name in names(scene, thing)[:1]:
            label = random.random() < 0.5
            cell = CELLS[thing.cell]
            place = WHERE[cell if label else random.choice(other_cells(cell))]
            yield Statement(f"The {name} is {place} of the picture.", label, _preposition(place))


def _preposition(place: str) -> str:
    """`in`, `on` or `at`, the relation to the image itself."""
    return place.split()[0]
