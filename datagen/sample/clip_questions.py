"""True questions about a clip, each with one word as its answer, as the video sets have them."""

from collections.abc import Iterator
from random import Random

from datagen.sample.clips import CHANGES, Clip
from datagen.sample.questions import Question
from datagen.sample.scenes import CELLS, COLORS, SHAPES, SIZES, Object
from datagen.sample.words import NUMBER_WORDS

DIRECTIONS = ("left", "right", "up", "down")
_VERBS = {change: change.split()[0] for change in CHANGES}
_THIRD_PERSON = {
    "move": "moves",
    "grow": "grows",
    "shrink": "shrinks",
    "change color": "changes its color",
}
_PARTICIPLES = {"move": "moving", "grow": "growing", "shrink": "shrinking", "change": "changing"}


def ask_about_clip(clip: Clip, random: Random) -> list[Question]:
    """All questions that the clip allows, in random order."""
    questions = [*_on_change(clip), *_on_move(clip, random)]
    for number, thing in enumerate(clip.before.objects):
        questions += _on_object(clip, thing, moving=number == clip.mover)
    random.shuffle(questions)
    return questions


def _on_change(clip: Clip) -> Iterator[Question]:
    shape = clip.before.objects[clip.mover].shape
    verb = _VERBS[clip.change]
    participle = _PARTICIPLES[verb]
    yield _question(
        "action",
        f"What is the {shape} doing?",
        verb,
        tuple(_VERBS.values()),
        f"The {shape} is {participle}.",
        synonyms=(participle,),
    )
    yield _question(
        "mover",
        f"What {_THIRD_PERSON[clip.change]}?",
        shape,
        SHAPES,
        f"The {shape} {_THIRD_PERSON[clip.change]}.",
    )
    count = NUMBER_WORDS[len(clip.before.objects)]
    yield _question(
        "count",
        "How many shapes are there?",
        count,
        NUMBER_WORDS,
        f"There {'is one shape' if count == 'one' else f'are {count} shapes'}.",
    )


def _on_move(clip: Clip, random: Random) -> Iterator[Question]:
    end = clip.after.objects[clip.mover]
    if clip.direction is None:
        return
    yield _question(
        "direction",
        random.choice(
            (
                f"In which direction does the {end.shape} move?",
                f"Which way does the {end.shape} move?",
            )
        ),
        clip.direction,
        DIRECTIONS,
        f"The {end.shape} moves {clip.direction}.",
    )
    cell = CELLS[end.cell]
    if " " not in cell:
        text, places = f"Where does the {end.shape} stop?", ("left", "right", "top", "bottom")
        yield _question(
            "place", text, cell, (*places, "center"), f"The {end.shape} stops at the {cell}."
        )


def _on_object(clip: Clip, thing: Object, *, moving: bool) -> Iterator[Question]:
    shape = thing.shape
    if moving and clip.change == "change color":
        end = clip.after.objects[clip.mover].color
        yield _question(
            "color",
            f"What color is the {shape} at the start?",
            thing.color,
            COLORS,
            f"The {shape} is {thing.color} at the start.",
        )
        yield _question(
            "color",
            f"What color does the {shape} become?",
            end,
            COLORS,
            f"The {shape} becomes {end}.",
        )
    else:
        yield _question(
            "color",
            f"What color is the {shape}?",
            thing.color,
            COLORS,
            f"The {shape} is {thing.color}.",
        )
    if not moving:
        yield _question(
            "still", "What stays as it is?", shape, SHAPES, f"The {shape} stays as it is."
        )
    elif clip.change in ("move", "change color"):
        yield _question(
            "size", f"What size is the {shape}?", thing.size, SIZES, f"The {shape} is {thing.size}."
        )


def _question(
    kind: str,
    text: str,
    answer: str,
    values: tuple[str, ...],
    sentence: str,
    synonyms: tuple[str, ...] = (),
) -> Question:
    wrong = tuple(value for value in values if value != answer)
    return Question(kind, text, answer, sentence, synonyms, wrong)
