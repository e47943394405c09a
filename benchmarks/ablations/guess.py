"""The guesser that sees what an image holds but not what belongs together.

It knows which colours, shapes, sizes, places and words there are and how many objects, and takes any that
fits. A model that beats the majority answer but not this guesser uses the image, but does not distinguish its objects.
"""

import re
from collections.abc import Callable

from datagen.sample.scenes import CELLS, COLORS, SHAPES, Scene
from datagen.sample.world import World

_NUMBERS = {"0": 0, "zero": 0, "1": 1, "one": 1, "2": 2, "two": 2, "3": 3, "three": 3}


def expected(question: str, answers: tuple[str, ...], scene: Scene) -> float:
    """The chance that the guesser gives one of the answers."""
    text = question.lower()
    chances = {name: chance for name, _, chance in _KINDS}
    return chances[kind(question)](text, answers, scene)


def kind(question: str) -> str:
    """The kind of a sample's question, by its words."""
    found = (name for name, pattern, _ in _KINDS if re.search(pattern, question.lower()))
    name = next(found, None)
    assert name is not None, f"no kind of question: {question}"
    return name


def scenes_of(world: World) -> dict[str, Scene]:
    """The scenes of COCO's and GQA's images, by file name."""
    found = {
        image.file_name: image.scene
        for release in (2014, 2017)
        for image in world.coco(release=release)
    }
    for index in range(world.num_scenes):
        for prefix in ("", "n"):
            name = f"{prefix}{world.own_image_id(index)}.jpg"
            found[name] = world.scene("gqa", index)
    return found


def _colors(scene: Scene) -> set[str]:
    return {thing.color for thing in scene.objects}


def _shapes(scene: Scene) -> set[str]:
    return {thing.shape for thing in scene.objects}


def _one_of(values: Callable[[Scene], set[str]]) -> Callable[[str, tuple[str, ...], Scene], float]:
    return lambda text, answers, scene: 1 / len(values(scene))


def _sizes(scene: Scene) -> set[str]:
    return {thing.size for thing in scene.objects}


def _cells(scene: Scene) -> set[str]:
    return {CELLS[thing.cell] for thing in scene.objects}


def _with_corners(scene: Scene) -> set[str]:
    return _shapes(scene) - {"star"}


def _words(scene: Scene) -> set[str]:
    return {word.text for word in scene.words}


def _present(text: str, answers: tuple[str, ...], scene: Scene) -> float:
    """Yes, if all that is named is there."""
    words = set(re.findall(r"[a-z]+", text))
    named = {name for name in (*COLORS, *SHAPES) if name in words}
    guess = "yes" if named <= _colors(scene) | _shapes(scene) else "no"
    return float(guess in answers)


def _count(text: str, answers: tuple[str, ...], scene: Scene) -> float:
    """All objects, or one where one of several values is wanted: the likeliest."""
    number = len(scene.objects)
    words = re.findall(r"[a-z]+", text)
    for names, there in ((COLORS, _colors(scene)), (SHAPES, _shapes(scene))):
        for name in names:
            if name in words or f"{name}s" in words:
                guess = 0 if name not in there else number if len(there) == 1 else 1
                return float(guess in {_NUMBERS.get(answer) for answer in answers})
    return float(number in {_NUMBERS.get(answer) for answer in answers})


def _half(text: str, answers: tuple[str, ...], scene: Scene) -> float:
    return 0.5


def _pair(text: str, answers: tuple[str, ...], scene: Scene) -> float:
    return 1 / (len(_colors(scene)) * len(_shapes(scene)))


_Chance = Callable[[str, tuple[str, ...], Scene], float]
_RELATION = "(to the left of|to the right of|above|below) the"
_KINDS: tuple[tuple[str, str, _Chance], ...] = (
    ("relation", f"^is the .* {_RELATION}", _half),
    ("neighbor", f"^what is {_RELATION}", _pair),
    ("food", "which food|what can you eat", _one_of(_colors)),
    ("thing", "same shape as|shaped like", _one_of(_shapes)),
    ("corners", "how many corners", _one_of(_with_corners)),
    ("count", "how many", _count),
    ("color", "what color is|what is the color", _one_of(_colors)),
    ("shape", "(what|which) shape is|what is the shape", _one_of(_shapes)),
    ("size", "what size is|big or small", _one_of(_sizes)),
    ("place", "where is|what part", _one_of(_cells)),
    ("existence", "is there a|do you see a", _present),
    ("word", "word|text say", _one_of(_words)),
    ("attribute", "^is the", _present),
)
"""Names of kinds of questions, their beginnings, and the guesser's chance; the first that fits."""
