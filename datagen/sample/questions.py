"""True questions and answers about a scene, in place of what human annotators wrote."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from datagen.sample.scenes import CELLS, COLORS, SHAPES, SIZES, WORDS, Object, Scene
from datagen.sample.words import NUMBER_WORDS, SYNONYMS, full_names, names, noun, other_cells, where


@dataclass(frozen=True)
class Question:
    """A question with its answer in one or two words, lower case.

    `synonyms` are other true answers, `wrong` are false ones of the same kind, in a fixed order.
    `sentence` says the answer in full.
    """

    kind: str
    text: str
    answer: str
    sentence: str
    synonyms: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    @property
    def answer_type(self) -> str:
        """As VQA v2 has it: yes/no, number or other."""
        if self.answer in ("yes", "no"):
            return "yes/no"
        return "number" if self.kind == "count" else "other"


def ask(scene: Scene, random: Random) -> list[Question]:
    """Questions of every kind that the scene allows, in random order.

    Of each kind and object there is one, with a template of its own. Objects are named by no more
    than is needed, so with one object `the object` or `the star` will do.
    """
    questions = [question for make in _KINDS for question in make(scene, random)]
    random.shuffle(questions)
    return questions


def varied(questions: list[Question], num: int) -> list[Question]:
    """The first `num` questions, with as many kinds among them as there are."""
    first_of_kind = {question.kind: question for question in reversed(questions)}
    chosen = [question for question in questions if first_of_kind[question.kind] is question]
    others = [question for question in questions if first_of_kind[question.kind] is not question]
    return (chosen + others)[:num]


def choices(question: Question, random: Random, num: int) -> tuple[list[str], int]:
    """At most `num` choices in random order, and the place of the true one."""
    wrong = random.sample(question.wrong, min(num - 1, len(question.wrong)))
    found = [question.answer, *wrong]
    random.shuffle(found)
    return found, found.index(question.answer)


def _color(scene: Scene, random: Random) -> Iterator[Question]:
    for thing in scene.objects:
        for name in _one(names(scene, thing, without="color"), random):
            yield Question(
                kind="color",
                text=random.choice(
                    (f"What color is the {name}?", f"What is the color of the {name}?")
                ),
                answer=thing.color,
                sentence=f"The {name} is {thing.color}.",
                wrong=_others(COLORS, thing.color),
            )


def _shape(scene: Scene, random: Random) -> Iterator[Question]:
    for thing in scene.objects:
        for name in _one(names(scene, thing, without="shape"), random):
            yield Question(
                kind="shape",
                text=random.choice(
                    (
                        f"What shape is the {name}?",
                        f"What is the shape of the {name}?",
                        f"Which shape is the {name}?",
                    )
                ),
                answer=thing.shape,
                sentence=f"The {name} is a {thing.shape}.",
                wrong=_others(SHAPES, thing.shape),
            )


def _size(scene: Scene, random: Random) -> Iterator[Question]:
    for thing in scene.objects:
        for name in _one(names(scene, thing, without="size"), random):
            yield Question(
                kind="size",
                text=random.choice((f"What size is the {name}?", f"Is the {name} big or small?")),
                answer=thing.size,
                sentence=f"The {name} is {thing.size}.",
                synonyms=SYNONYMS[thing.size],
                wrong=_others(SIZES, thing.size),
            )


def _place(scene: Scene, random: Random) -> Iterator[Question]:
    for thing in scene.objects:
        for name in _one(names(scene, thing), random):
            cell = CELLS[thing.cell]
            yield Question(
                kind="place",
                text=random.choice(
                    (
                        f"Where is the {name}?",
                        f"Where is the {name} in the picture?",
                        f"What part of the picture is the {name} in?",
                    )
                ),
                answer=cell,
                sentence=f"The {name} is {where(thing)} of the picture.",
                synonyms=SYNONYMS[cell],
                wrong=other_cells(cell),
            )


def _count(scene: Scene, random: Random) -> Iterator[Question]:
    thing = random.choice(scene.objects)
    asked = random.choice(("shape", thing.shape, random.choice(SHAPES), f"{thing.color} shape"))
    num = sum(_is_a(other, asked) for other in scene.objects)
    digits = tuple(str(number) for number in range(5))
    verb, ending = ("is", "") if num == 1 else ("are", "s")
    yield Question(
        kind="count",
        text=random.choice(
            (
                f"How many {asked}s are there?",
                f"How many {asked}s are in the picture?",
                f"How many {asked}s do you see?",
            )
        ),
        answer=str(num),
        sentence=f"There {verb} {NUMBER_WORDS[num] if num else 'no'} {asked}{ending}.",
        synonyms=(NUMBER_WORDS[num],),
        wrong=_others(digits, str(num)),
    )


def _exists(scene: Scene, random: Random) -> Iterator[Question]:
    thing = random.choice(scene.objects)
    present = [thing.shape, f"{thing.color} shape", f"{thing.color} {thing.shape}"]
    absent = [
        asked
        for color in COLORS
        for asked in (f"{color} shape", f"{color} {thing.shape}")
        if not any(_is_a(other, asked) for other in scene.objects)
    ]
    absent += [s for s in SHAPES if not any(_is_a(other, s) for other in scene.objects)]
    true = random.random() < 0.5
    asked = random.choice(present if true else absent)
    yield _yes_or_no(
        "existence",
        random.choice(
            (
                f"Is there a {asked}?",
                f"Is there a {asked} in the picture?",
                f"Do you see a {asked}?",
            )
        ),
        true,
        f"There is {'a' if true else 'no'} {asked} in the picture.",
    )


def _attribute(scene: Scene, random: Random) -> Iterator[Question]:
    for thing in scene.objects:
        for name in _one(names(scene, thing, without="color"), random):
            true = random.random() < 0.5
            color = thing.color if true else random.choice(_others(COLORS, thing.color))
            sentence = f"The {name} is {thing.color}{'' if true else f', not {color}'}."
            yield _yes_or_no("attribute", f"Is the {name} {color}?", true, sentence)


def _relation(scene: Scene, random: Random) -> Iterator[Question]:
    things = full_names(scene)
    if len(things) < 2:
        return
    (one, one_name), (other, other_name) = random.sample(things, 2)
    relation = random.choice(list(RELATIONS))
    true = RELATIONS[relation](one, other)
    sentence = f"The {one_name} is {'' if true else 'not '}{relation} the {other_name}."
    text = f"Is the {one_name} {relation} the {other_name}?"
    yield _yes_or_no("relation", text, true, sentence)


def _neighbor(scene: Scene, random: Random) -> Iterator[Question]:
    for thing, name in full_names(scene):
        relation = random.choice(list(RELATIONS))
        related = [other for other in scene.objects if RELATIONS[relation](other, thing)]
        if len(related) == 1:
            answer = noun(related[0], "color", "shape")
            wrong = [f"{color} {shape}" for color in COLORS for shape in SHAPES]
            yield Question(
                kind="neighbor",
                text=f"What is {relation} the {name}?",
                answer=answer,
                sentence=f"A {answer} is {relation} the {name}.",
                synonyms=(related[0].shape,),
                wrong=_others(tuple(wrong), answer),
            )


def _word(scene: Scene, random: Random) -> Iterator[Question]:
    for word in scene.words:
        texts = ["What word is {}?", "What is the word {}?", "Which word is printed {}?"]
        if len(scene.words) == 1:
            texts += ["What does the text say?", "What word is printed in the picture?"]
        yield Question(
            kind="word",
            text=random.choice(texts).format(where(word)),
            answer=word.text.lower(),
            sentence=f"The word {where(word)} is {word.text}.",
            wrong=tuple(other.lower() for other in _others(WORDS, word.text)),
        )


RELATIONS: dict[str, Callable[[Object, Object], bool]] = {
    "to the left of": lambda one, other: one.column < other.column,
    "to the right of": lambda one, other: one.column > other.column,
    "above": lambda one, other: one.row < other.row,
    "below": lambda one, other: one.row > other.row,
}
"""Holds by row or column of the grid alone: what is above may also be to the left."""

_KINDS = (
    _color,
    _shape,
    _size,
    _place,
    _count,
    _exists,
    _attribute,
    _relation,
    _neighbor,
    _word,
)


def _is_a(thing: Object, asked: str) -> bool:
    """Return whether `asked` (`shape`, `star`, `red shape`, `red star`) fits the object."""
    *colors, shape = asked.split()
    return shape in ("shape", thing.shape) and colors in ([], [thing.color])


def _others(values: tuple[str, ...], value: str) -> tuple[str, ...]:
    return tuple(other for other in values if other != value)


def _one(found: list[str], random: Random) -> list[str]:
    return [random.choice(found)] if found else []


def _yes_or_no(kind: str, text: str, true: bool, sentence: str) -> Question:
    answer, wrong = ("yes", "no") if true else ("no", "yes")
    return Question(kind, text, answer, f"{answer.capitalize()}. {sentence}", wrong=(wrong,))
