"""Words for what a scene shows: names of its objects, places, numbers, and captions."""

from collections.abc import Iterator
from itertools import combinations
from random import Random

from datagen.sample.scenes import CELLS, Object, Scene, Word

NUMBER_WORDS = ("zero", "one", "two", "three", "four")
WHERE = {
    "top left": "in the top left",
    "top": "at the top",
    "top right": "in the top right",
    "left": "on the left",
    "center": "in the center",
    "right": "on the right",
    "bottom left": "in the bottom left",
    "bottom": "at the bottom",
    "bottom right": "in the bottom right",
}
SYNONYMS = {
    "big": ("large",),
    "small": ("little",),
    "top left": ("upper left",),
    "top": ("top center",),
    "top right": ("upper right",),
    "left": ("left side",),
    "center": ("middle",),
    "right": ("right side",),
    "bottom left": ("lower left",),
    "bottom": ("bottom center",),
    "bottom right": ("lower right",),
}
"""Other true ways to say a size or a place, where there are any."""


def other_cells(cell: str) -> tuple[str, ...]:
    """Return the places where something in `cell` is not: `top` is true of the top left, so not among them."""
    words = set(cell.split())
    return tuple(other for other in CELLS if not set(other.split()) <= words)


def where(thing: Object | Word) -> str:
    return WHERE[CELLS[thing.cell]]


def noun(thing: Object, *attributes: str) -> str:
    """`thing` by some of its attributes, in English order: `noun(o, "shape", "color")`."""
    words = [thing.size] if "size" in attributes else []
    words += [thing.color] if "color" in attributes else []
    return " ".join([*words, thing.shape if "shape" in attributes else "object"])


def names(scene: Scene, thing: Object, *, without: str = "") -> list[str]:
    """Short nouns that mean this object alone; none if another object is just like it.

    `without` leaves out the attribute that a question asks for.
    """
    attributes = [name for name in ("shape", "color", "size") if name != without]
    found = ["object"] if len(scene.objects) == 1 else []
    for length in range(1, len(attributes) + 1):
        for some in combinations(attributes, length):
            if [noun(other, *some) for other in scene.objects].count(noun(thing, *some)) == 1:
                found.append(noun(thing, *some))
        if found:
            break
    return found


def full_names(scene: Scene) -> list[tuple[Object, str]]:
    """Each object that has no double, as `red circle` or, if need be, `big red circle`."""
    found = []
    for thing in scene.objects:
        for attributes in (("shape", "color"), ("shape", "color", "size")):
            name = noun(thing, *attributes)
            if [noun(other, *attributes) for other in scene.objects].count(name) == 1:
                found.append((thing, name))
                break
    return found


def listed(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def counted(nouns: list[str]) -> str:
    """The nouns with their articles; equal ones are counted: `two red circles and a blue star`."""
    counts = {name: nouns.count(name) for name in nouns}
    return listed(
        [f"a {name}" if n == 1 else f"{NUMBER_WORDS[n]} {name}s" for name, n in counts.items()]
    )


def description(scene: Scene) -> str:
    """All that can be said of the objects, in one sentence."""
    return f"There is {_in_full(scene)}."


def captions(scene: Scene, random: Random, num: int, *, mention_words: bool = False) -> list[str]:
    """`num` differing captions (at most 8). Half of them name the printed words, or all do."""
    assert num <= 8
    found: list[str] = []
    for number, text in enumerate(_captions(scene, random)):
        if scene.words and (mention_words or number % 2):
            text = f"{text}, {_with_words(scene, random)}"
        text = text[0].upper() + text[1:]
        found.append(text if random.random() < 0.4 else f"{text}.")
    return random.sample(found, num)


def _captions(scene: Scene, random: Random) -> Iterator[str]:
    full = _in_full(scene)
    placed = listed([f"a {noun(o, 'color', 'shape')} {where(o)}" for o in scene.objects])
    sized = counted([noun(thing, "size", "color", "shape") for thing in scene.objects])
    plain = counted([noun(thing, "color", "shape") for thing in scene.objects])
    count = NUMBER_WORDS[len(scene.objects)]
    ground = random.choice(("on a dark background", "on a plain dark background"))
    yield full
    yield placed
    yield f"{random.choice(('a picture of', 'a drawing of', 'an image with'))} {sized}"
    yield f"there is {full}"
    yield f"{plain} {ground}"
    yield f"{sized} {ground}"
    yield f"{random.choice(('a picture', 'a drawing'))} that shows {placed}"
    yield f"{count} {'shape' if count == 'one' else 'shapes'} {ground}: {plain}"


def _in_full(scene: Scene) -> str:
    return listed([f"a {noun(o, 'size', 'color', 'shape')} {where(o)}" for o in scene.objects])


def _with_words(scene: Scene, random: Random) -> str:
    texts = listed([word.text for word in scene.words])
    words = "word" if len(scene.words) == 1 else "words"
    if len(scene.words) == 1 and random.random() < 0.5:
        return f"and the word {texts} {where(scene.words[0])}"
    return random.choice((f"and the {words} {texts}", f"with the {words} {texts}"))
