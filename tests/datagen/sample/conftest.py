"""A witness that looks at pixels only, and answers the questions from what it sees."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datagen.sample.write import write_sample

COLORS = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 230),
    "yellow": (235, 215, 40),
    "purple": (160, 50, 190),
    "white": (240, 240, 240),
}
PLACES = ["top left", "top", "top right", "left", "center", "right"]
PLACES += ["bottom left", "bottom", "bottom right"]
RELATIONS = "to the left of|to the right of|above|below"
PATTERNS = {
    "color": r"What (?:color is|is the color of) the (.+)\?",
    "shape": r"(?:What|Which) (?:shape is|is the shape of) the (.+)\?",
    "size": r"What size is the (.+)\?|Is the (.+) big or small\?",
    "place": r"Where is the (.+?)(?: in the picture)?\?|What part of the picture is the (.+) in\?",
    "count": r"How many (.+)s (?:are there|are in the picture|do you see)\?",
    "existence": r"(?:Is there|Do you see) a (.+?)(?: in the picture)?\?",
    "attribute": rf"Is the (.+) ({'|'.join(COLORS)})\?",
    "relation": rf"Is the (.+) ({RELATIONS}) the (.+)\?",
    "neighbor": rf"What is ({RELATIONS}) the (.+)\?",
}


@dataclass(frozen=True)
class Seen:
    """An object as its pixels show it; `x` and `y` are the middle of its box, in 1/144."""

    size: str
    color: str
    shape: str
    cell: int
    x: float
    y: float

    @property
    def place(self) -> str:
        return PLACES[self.cell]

    def fits(self, noun: str) -> bool:
        words = set(noun.split()) - {"object", "shape", "a"}
        return words <= {self.size, self.color, self.shape}


def _see(image: Image.Image, tolerance: int = 34) -> list[Seen]:
    pixels = np.asarray(image.convert("RGB")).astype(np.int16)  # (144, 144, 3)
    found = []
    for color, rgb in COLORS.items():
        mask = np.abs(pixels - rgb).max(axis=2) <= tolerance
        for top, bottom, left, right in _boxes(mask):
            fill = mask[top:bottom, left:right].mean()
            shape = ("star", "triangle", "circle", "square")[
                int(fill > 0.43) + int(fill > 0.65) + int(fill > 0.92)
            ]
            x, y = (left + right) / 2, (top + bottom) / 2
            size = "big" if right - left > 25 else "small"
            cell = int(y // 48) * 3 + int(x // 48)
            found.append(Seen(size, color, shape, cell, x, y))
    return sorted(found, key=lambda seen: (seen.cell, seen.x))


def _boxes(mask: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Top, bottom, left, right of what empty columns, then empty rows, keep apart."""
    for left, right in _runs(mask.any(axis=0)):
        for top, bottom in _runs(mask[:, left:right].any(axis=1)):
            [*inner] = _runs(mask[top:bottom, left:right].any(axis=0))
            if mask[top:bottom, left:right].sum() > 40:
                yield top, bottom, left + inner[0][0], left + inner[-1][1]


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _holds(one: Seen, relation: str, other: Seen) -> bool:
    (row, column), (other_row, other_column) = divmod(one.cell, 3), divmod(other.cell, 3)
    return {
        "to the left of": column < other_column,
        "to the right of": column > other_column,
        "above": row < other_row,
        "below": row > other_row,
    }[relation]


def _answer(seen: list[Seen], question: str) -> str | None:
    """The answer in official short form, None if the question is of no known form."""
    for kind, pattern in PATTERNS.items():
        match = re.fullmatch(pattern, question)
        if match is None:
            continue
        first, *more = [group for group in match.groups() if group]
        if kind == "neighbor":
            [thing] = [s for s in seen if s.fits(more[0])]
            [other] = [s for s in seen if _holds(s, first, thing)]
            return f"{other.color} {other.shape}"
        fitting = [s for s in seen if s.fits(first)]
        if kind == "count":
            return str(len(fitting))
        if kind == "existence":
            return "yes" if fitting else "no"
        [thing] = fitting
        if kind == "attribute":
            return "yes" if thing.color == more[0] else "no"
        if kind == "relation":
            [other] = [s for s in seen if s.fits(more[1])]
            return "yes" if _holds(thing, more[0], other) else "no"
        return str(getattr(thing, kind))
    return None


@pytest.fixture(scope="session")
def see() -> Callable[[Image.Image], list[Seen]]:
    """Finds the coloured blobs of an image, and recognises their shapes by how they fill their boxes."""
    return _see


@pytest.fixture(scope="session")
def answer() -> Callable[[list[Seen], str], str | None]:
    return _answer


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw folder of 60 scenes, to be read only."""
    folder = tmp_path_factory.mktemp("raw") / "sample"
    write_sample(folder, num_scenes=60)
    return folder


@pytest.fixture(scope="session")
def real() -> Path:
    """Real rows of the publishers' files, where they are at hand."""
    folder = Path(__file__).parents[3] / "../shared/real"
    if not folder.is_dir():
        pytest.skip("the publishers' real rows are not at hand")
    return folder


@pytest.fixture(scope="session")
def read() -> Callable[[Path], Any]:
    return lambda path: json.loads(path.read_text(encoding="utf-8"))
