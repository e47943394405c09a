"""Dialogs about a scene in the style of a chat, and the closed list of answers that occur in them."""

from dataclasses import dataclass
from random import Random

from datagen.sample.scenes import CELLS, COLORS, SHAPES, SIZES, WORDS, Object, Scene
from datagen.sample.words import WHERE, names, other_cells


@dataclass(frozen=True)
class Turn:
    """`topic` and `value` say what the answer means: another answer with the same ones is as true.

    Answers on topics in `near` may be true as well: `do you see any stars` can be met by `just 1`.
    """

    question: str
    topic: str
    value: str
    answer: str
    near: tuple[str, ...] = ()

    @property
    def other_true_answers(self) -> list[str]:
        return [text for text in PHRASES[self.topic, self.value] if text != self.answer]


def _phrases() -> dict[tuple[str, str], tuple[str, ...]]:
    found = {
        ("yes or no", "yes"): ("yes", "yep", "yes, i think so", "it looks like it", "yeah"),
        ("yes or no", "no"): ("no", "nope", "not that i can see", "no, i don't think so", "nah"),
        ("unknown", ""): ("i can't tell", "can't see that", "not sure", "hard to say", "maybe"),
        ("count", "0"): ("0", "none", "there are none"),
        ("count", "1"): ("1", "just 1", "only 1", "there is 1"),
    }
    for number in ("2", "3", "4"):
        found["count", number] = (number, f"there are {number}", f"{number} of them")
    for color in COLORS:
        found["color", color] = (color, f"it is {color}", f"it's {color}", f"all {color}")
    for shape in SHAPES:
        found["shape", shape] = (f"a {shape}", shape, f"it is a {shape}", f"it's a {shape}")
    for size in SIZES:
        found["size", size] = (size, f"it is {size}", f"it's {size}", f"pretty {size}")
    for cell in CELLS:
        place = WHERE[cell]
        found["place", cell] = (place, cell, f"it is {place}", f"it's {place}")
    for word in WORDS:
        found["word", word] = (word.lower(), f"it says {word.lower()}")
    return found


PHRASES = _phrases()
"""Every answer by what it means, the commonest first. No answer has two meanings."""

_GENERAL = {
    "is the background dark": "yes",
    "is this a drawing": "yes",
    "is this a photo": "no",
    "are there any people": "no",
    "do you see any animals": "no",
    "is the background bright": "no",
}


def opening(scene: Scene, random: Random) -> str:
    """A caption that leaves something to ask."""
    texts = ["a simple drawing on a dark background", "a picture with a plain dark background"]
    if len(scene.objects) == 1:
        texts += ["a shape on a dark background", "a drawing with a single shape"]
    else:
        texts += ["some shapes on a dark background", "a drawing of a few shapes"]
    return random.choice(texts)


def dialog(scene: Scene, random: Random, num_turns: int = 10) -> list[Turn]:
    """A dialog of at most 10 turns; `it` is always what was spoken of last."""
    turns = [_turn("how many shapes are there", "count", str(len(scene.objects)), random)]
    turns += _about_objects(scene, random)
    turns.append(_yes_or_no("is there any text", bool(scene.words), random, "word"))
    if len(scene.words) == 1:
        turns.append(_turn("what does it say", "word", scene.words[0].text, random))
    fillers = [
        _yes_or_no(text, value == "yes", random, "count") for text, value in _GENERAL.items()
    ]
    fillers += _about_existence(scene, random)
    random.shuffle(fillers)
    return (turns + fillers)[:num_turns]


def answer_options(turn: Turn, random: Random, num: int = 100) -> list[str]:
    """`num` distinct answers in random order: the given one, one or two as true, all others false."""
    true = turn.other_true_answers
    true = random.sample(true, min(random.randint(1, 2), len(true)))
    false = [text for meaning, texts in PHRASES.items() for text in texts if _false(turn, *meaning)]
    options = [turn.answer, *true, *random.sample(false, num - 1 - len(true))]
    random.shuffle(options)
    return options


def _false(turn: Turn, topic: str, value: str) -> bool:
    if topic in turn.near:
        return False
    if topic == turn.topic == "place":
        return value in other_cells(turn.value)
    return (topic, value) != (turn.topic, turn.value)


def _turn(question: str, topic: str, value: str, random: Random, *near: str) -> Turn:
    phrases = PHRASES[topic, value]
    answer = phrases[0] if random.random() < 0.6 else random.choice(phrases)
    return Turn(question, topic, value, answer, near)


def _yes_or_no(question: str, true: bool, random: Random, *near: str) -> Turn:
    return _turn(question, "yes or no", "yes" if true else "no", random, *near)


def _about_objects(scene: Scene, random: Random) -> list[Turn]:
    turns = []
    for thing in scene.objects:
        topics = ["shape", "color", "size", "place"]
        random.shuffle(topics)
        subject = "it"
        if len(scene.objects) > 1:
            known = names(scene, thing, without=topics[0])
            if not known:
                continue
            name = random.choice(known)
            subject = f"the {name}"
            topics = [t for t in topics if t == "place" or getattr(thing, t) not in name.split()]
            topics = topics[:2]
        for topic in topics:
            turns.append(_about(thing, topic, subject, random))
            subject = "it"
    return turns


def _about(thing: Object, topic: str, subject: str, random: Random) -> Turn:
    if topic == "size" and random.random() < 0.5:
        return _yes_or_no(f"is {subject} big", thing.size == "big", random, "size")
    question = {
        "shape": f"what shape is {subject}",
        "color": f"what color is {subject}",
        "size": f"is {subject} big or small",
        "place": f"where is {subject}",
    }[topic]
    value = CELLS[thing.cell] if topic == "place" else str(getattr(thing, topic))
    return _turn(question, topic, value, random)


def _about_existence(scene: Scene, random: Random) -> list[Turn]:
    colors = {thing.color for thing in scene.objects}
    shapes = {thing.shape for thing in scene.objects}
    turns = [
        _yes_or_no(f"do you see any {color} shapes", color in colors, random, "count", "color")
        for color in random.sample(COLORS, 2)
    ]
    return turns + [
        _yes_or_no(f"is there a {shape}", shape in shapes, random, "count", "shape")
        for shape in random.sample(SHAPES, 2)
    ]
