"""True questions about a scene that cannot be answered from the image alone."""

from collections.abc import Iterator
from random import Random

from datagen.sample.questions import Question
from datagen.sample.scenes import COLORS, SHAPES, Scene
from datagen.sample.words import NUMBER_WORDS, names

FOODS = {
    "red": ("tomato", "strawberry", "cherry"),
    "green": ("pea", "cucumber", "lime"),
    "blue": ("blueberry",),
    "yellow": ("banana", "lemon"),
    "purple": ("plum", "eggplant"),
    "white": ("egg", "mushroom"),
}
"""Food of each colour, the most common first."""

THINGS = {
    "circle": ("wheel", "coin", "ball"),
    "square": ("box", "tile"),
    "triangle": ("tent", "pyramid"),
    "star": ("starfish",),
}
"""Things of each shape, the most common first."""

_CORNERS = {"circle": 0, "triangle": 3, "square": 4}
_NUMBERS = ("0", "3", "4", "5", "6")
_PLURALS = {"tomato": "tomatoes", "starfish": "starfish", "box": "boxes"}


def ask_with_knowledge(scene: Scene, random: Random) -> list[Question]:
    """Such questions about each object that can be told apart, in random order."""
    questions = [question for make in (_food, _thing, _corners) for question in make(scene, random)]
    random.shuffle(questions)
    return questions


def plural(noun: str) -> str:
    """Of an answer above, as an annotator may write it before answers are stemmed."""
    return _PLURALS.get(noun) or (f"{noun[:-1]}ies" if noun.endswith("rry") else f"{noun}s")


def _food(scene: Scene, random: Random) -> Iterator[Question]:
    for thing in scene.objects:
        for name in names(scene, thing, without="color")[:1]:
            first, *others = FOODS[thing.color]
            text = random.choice(
                (
                    "Which food has the color of the {}?",
                    "What can you eat that has the color of the {}?",
                )
            )
            yield Question(
                kind="food",
                text=text.format(name),
                answer=first,
                sentence=f"The {name} is {thing.color}, as a {first} is.",
                synonyms=tuple(others),
                wrong=tuple(FOODS[color][0] for color in COLORS if color != thing.color),
            )


def _thing(scene: Scene, random: Random) -> Iterator[Question]:
    for thing in scene.objects:
        for name in names(scene, thing, without="shape")[:1]:
            first, *others = THINGS[thing.shape]
            text = random.choice(
                ("What has the same shape as the {}?", "What is shaped like the {}?")
            )
            yield Question(
                kind="thing",
                text=text.format(name),
                answer=first,
                sentence=f"The {name} is a {thing.shape}, the shape of a {first}.",
                synonyms=tuple(others),
                wrong=tuple(THINGS[shape][0] for shape in SHAPES if shape != thing.shape),
            )


def _corners(scene: Scene, random: Random) -> Iterator[Question]:
    for thing in scene.objects:
        num = _CORNERS.get(thing.shape)
        if num is None:  # whether a star has five corners or ten is open to argument
            continue
        for name in names(scene, thing, without="shape")[:1]:
            text = random.choice(
                ("How many corners does the {} have?", "How many corners has the {}?")
            )
            yield Question(
                kind="count",
                text=text.format(name),
                answer=str(num),
                sentence=f"The {name} is a {thing.shape}, which has {NUMBER_WORDS[num]} corners.",
                synonyms=(NUMBER_WORDS[num],),
                wrong=tuple(number for number in _NUMBERS if number != str(num)),
            )
