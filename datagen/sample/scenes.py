"""Scenes of images and videos: coloured shapes and printed words on a 3x3 grid.

Lengths are in 1/144 of the image's side, so that a grid cell is 48 wide. Scaled to 48x48 pixels a
cell is exactly 16 pixels, one patch of the nano model's ViT, and an object never leaves its cell.
"""

from dataclasses import dataclass, replace
from random import Random

SHAPES = ("circle", "square", "triangle", "star")
COLORS = ("red", "green", "blue", "yellow", "purple", "white")
SIZES = ("small", "big")
CELLS = (
    "top left",
    "top",
    "top right",
    "left",
    "center",
    "right",
    "bottom left",
    "bottom",
    "bottom right",
)
"""The names of the grid's cells, row by row."""
WORDS = (
    "BUS",
    "CAFE",
    "COLD",
    "EXIT",
    "FISH",
    "GOLF",
    "HOT",
    "MILK",
    "OPEN",
    "PARK",
    "SALE",
    "SHOP",
    "STOP",
    "TAXI",
    "TEA",
    "ZOO",
)
"""All are printed in capitals; none names a shape, colour, size or place."""

GRID = 3
CELL_SIDE = 48
MAX_OFFSET = 3
_RADII = {"small": (8, 9), "big": (16, 17)}
_NUM_OBJECTS_WEIGHTS = (50, 30, 20)  # of 1, 2 and 3: with one object nothing has to be told apart
_WORD_PROBABILITY = 1 / 3


@dataclass(frozen=True)
class Object:
    """A shape. `offset` is that of its centre from its cell's centre, x then y; `tint` shifts RGB."""

    shape: str
    color: str
    size: str
    cell: int
    offset: tuple[float, float] = (0, 0)
    radius: float = 16
    tint: int = 0

    @property
    def row(self) -> int:
        return self.cell // GRID

    @property
    def column(self) -> int:
        return self.cell % GRID


@dataclass(frozen=True)
class Word:
    """A word printed in the middle of a cell of its own."""

    text: str
    cell: int


@dataclass(frozen=True)
class Scene:
    """Objects and words in different cells, by cell number, on a dark `background` (RGB)."""

    objects: tuple[Object, ...]
    words: tuple[Word, ...] = ()
    background: tuple[int, int, int] = (40, 40, 40)

    def __post_init__(self) -> None:
        cells = [thing.cell for thing in self.objects] + [word.cell for word in self.words]
        assert len(set(cells)) == len(cells), f"two things in one cell: {cells}"


def random_for(*names: object) -> Random:
    """The generator that belongs to these names: the same in every process and on every machine."""
    return Random("/".join(str(name) for name in names))  # noqa: S311


def make_scene(
    seed: int,
    collection: str,
    index: int,
    *,
    num_objects: int | None = None,
    num_words: int | None = None,
) -> Scene:
    """Scene `index` of a collection, a pure function of its arguments.

    Unless told otherwise, half of the scenes have one object, the others two or three, and a third
    have a printed word.
    """
    random = random_for(seed, collection, index)
    if num_objects is None:
        [num_objects] = random.choices((1, 2, 3), _NUM_OBJECTS_WEIGHTS)
    if num_words is None:
        num_words = int(random.random() < _WORD_PROBABILITY)
    cells = random.sample(range(GRID * GRID), num_objects + num_words)
    objects = [make_object(random, cell) for cell in cells[:num_objects]]
    texts = random.sample(WORDS, num_words)
    words = [Word(text, cell) for text, cell in zip(texts, cells[num_objects:], strict=True)]
    return Scene(
        objects=tuple(sorted(objects, key=lambda thing: thing.cell)),
        words=tuple(sorted(words, key=lambda word: word.cell)),
        background=_dark(random),
    )


def make_object(random: Random, cell: int) -> Object:
    size = random.choice(SIZES)
    return Object(
        shape=random.choice(SHAPES),
        color=random.choice(COLORS),
        size=size,
        cell=cell,
        offset=(
            random.randint(-MAX_OFFSET, MAX_OFFSET),
            random.randint(-MAX_OFFSET, MAX_OFFSET),
        ),
        radius=random.choice(_RADII[size]),
        tint=random.randint(-10, 10),
    )


def _dark(random: Random) -> tuple[int, int, int]:
    level = random.randint(20, 60)
    red, green, blue = (level + random.randint(-12, 12) for _ in range(3))
    return red, green, blue


def with_size(thing: Object, size: str) -> Object:
    return replace(thing, size=size, radius=_RADII[size][0])
