"""True and false statements about a scene."""

from dataclasses import dataclass
from itertools import permutations
from random import Random

from datagen.sample.questions import RELATIONS
from datagen.sample.scenes import CELLS, COLORS, SHAPES, Scene
from datagen.sample.words import WHERE, full_names, names, other_cells


@dataclass(frozen=True)
class Statement:
    """`relation` is that between two objects, empty if only one is spoken of."""

    text: str
    label: bool
    relation: str = ""


def about_pairs(scene: Scene, random: Random) -> list[Statement]:
    """One statement for each ordered pair of objects that can be told apart; half are true."""
    found = []
    for (one, one_name), (other, other_name) in permutations(full_names(scene), 2):
        label = random.random() < 0.5
        fitting = [name for name, holds in RELATIONS.items() if holds(one, other) == label]
        relation = random.choice(fitting)
        text = f"The {one_name} is {relation} the {other_name}."
        found.append(Statement(text, label, relation))
    return found


def about_objects(scene: Scene, random: Random) -> list[Statement]:
    """One statement on the colour, shape or place of each object that can be told apart."""
    found = []
    for thing in scene.objects:
        attribute = random.choice(("color", "shape", "place"))
        known = names(scene, thing, without=attribute)
        if not known:
            continue
        truth, false = {
            "color": (thing.color, [color for color in COLORS if color != thing.color]),
            "shape": (thing.shape, [shape for shape in SHAPES if shape != thing.shape]),
            "place": (CELLS[thing.cell], other_cells(CELLS[thing.cell])),
        }[attribute]
        label = random.random() < 0.5
        value = truth if label else random.choice(false)
        said = {"color": value, "shape": f"a {value}", "place": WHERE.get(value, "")}[attribute]
        found.append(Statement(f"The {random.choice(known)} is {said}.", label))
    return found
