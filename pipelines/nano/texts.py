"""Texts of the nano language model: what a scene holds, then our instructions about it.

The instructions and targets come from the sample's own captions, questions and statements and from
the shipped templates, rendered as a build renders them. So the frozen model knows the language of the
sample, and answers when something in front of an instruction says what the scene holds.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from datagen.errors import RowRejectedError
from datagen.render import Chance, draw_by_chance, evaluation
from datagen.sample.knowledge import ask_with_knowledge
from datagen.sample.questions import Question, ask, choices, varied
from datagen.sample.scenes import CELLS, Scene
from datagen.sample.statements import about_objects, about_pairs
from datagen.sample.words import captions, listed, noun, where
from datagen.sample.writers.llava_instruct import conversation, detail, reasoning
from datagen.sample.writers.vqav2 import annotators_answers
from datagen.schema.answers import Answer, counted
from datagen.schema.example import Example, Turn
from templates.library import TemplateSet
from templates.prompt_spec import published_spec

_PROTOCOL_SHARE = 0.25
_MAX_CHOICES = 5
_NUM_ANSWERS = 10


class Text(NamedTuple):
    """An instruction about a scene and its target, both as a build would render them."""

    source: str
    instruction: str
    target: str


def things(scene: Scene) -> list[str]:
    """Describe the scene, one text for each object and each printed word, row by row."""
    found = {
        thing.cell: f"{noun(thing, 'size', 'color', 'shape')} {CELLS[thing.cell]}"
        for thing in scene.objects
    }
    found |= {word.cell: f"word {word.text} {CELLS[word.cell]}" for word in scene.words}
    return [found[cell] for cell in sorted(found)]


def full_caption(scene: Scene) -> str:
    """All that an image shows in one sentence, row by row: what the captioning stage learns to say."""
    named = {
        thing.cell: f"a {noun(thing, 'size', 'color', 'shape')} {where(thing)}"
        for thing in scene.objects
    }
    named |= {word.cell: f"the word {word.text} {where(word)}" for word in scene.words}
    return listed([named[cell] for cell in sorted(named)])


def texts(scene: Scene, random: Random, templates: TemplateSet, num: int) -> list[Text]:
    """`num` instructions of kinds drawn from `_KINDS`."""
    found: list[Text] = []
    while len(found) < num:
        [make] = random.choices(list(_KINDS), list(_KINDS.values()))
        for example in make(scene, random):
            found += _render(example, random, templates)
    return found[:num]


def _render(example: Example, random: Random, templates: TemplateSet) -> Iterator[Text]:
    chance = Chance(*(random.getrandbits(64) for _ in Chance._fields))
    of_source = templates.of(published_spec(example.source, example.task))
    protocol = of_source.protocol
    try:
        if protocol is not None and random.random() < _PROTOCOL_SHARE:
            drawn = evaluation(example, protocol, chance, of_source.spec.title)
        else:
            drawn = draw_by_chance(example, of_source, chance)
    except RowRejectedError:  # no template fits
        return
    if drawn.target is not None:
        yield Text(example.source, drawn.instruction, drawn.target)


def _captions(scene: Scene, random: Random) -> Iterator[Example]:
    yield _example("coco_caption", "caption", captions=tuple(captions(scene, random, 1)))


def _captions_with_words(scene: Scene, random: Random) -> Iterator[Example]:
    texts = captions(scene, random, 1, mention_words=True)
    yield _example(
        "textcaps", "caption_ocr", captions=tuple(texts), ocr_tokens=_read(scene, random)
    )


def _questions(scene: Scene, random: Random) -> Iterator[Example]:
    for question in varied(ask(scene, random), 2):
        yield _example("vqav2", "vqa", question=question.text, answers=_answers(question, random))


def _questions_with_words(scene: Scene, random: Random) -> Iterator[Example]:
    read = _read(scene, random)
    asked = [(each.text, each.answer) for each in varied(ask(scene, random), 1)]
    if scene.words and random.random() < 0.3:
        asked = [("What is the title of this book?", " ".join(word.text for word in scene.words))]
    for question, answer in asked:
        answers = (Answer(answer, 1),)
        yield _example("ocr_vqa", "vqa_ocr", question=question, answers=answers, ocr_tokens=read)


def _knowledge(scene: Scene, random: Random) -> Iterator[Example]:
    for question in ask_with_knowledge(scene, random)[:2]:
        yield _example("okvqa", "vqa", question=question.text, answers=_answers(question, random))


def _multiple_choice(scene: Scene, random: Random) -> Iterator[Example]:
    make = ask_with_knowledge if random.random() < 0.3 else ask
    for question in varied(make(scene, random), 1):
        options, right = choices(question, random, random.randint(2, _MAX_CHOICES))
        yield _example(
            "iconqa",
            "multiple_choice",
            question=question.text,
            choices=tuple(options),
            correct_choice=right,
        )


def _question_generation(scene: Scene, random: Random) -> Iterator[Example]:
    make = ask_with_knowledge if random.random() < 0.4 else ask
    for question in varied(make(scene, random), 1):
        answers = _answers(question, random)
        yield _example("vqav2_qg", "question_generation", question=question.text, answers=answers)


def _statements(scene: Scene, random: Random) -> Iterator[Example]:
    found = [*about_pairs(scene, random), *about_objects(scene, random)]
    random.shuffle(found)
    for statement in found[:2]:
        yield _example("vsr", "statement", statement=statement.text, label=statement.label)


def _talk(scene: Scene, random: Random) -> Iterator[Example]:
    exchanges = random.choices((conversation, detail, reasoning), (2, 1, 1))[0](scene, random)
    turn = random.randrange(len(exchanges))
    question, answer = exchanges[turn]
    before = tuple(Turn(*exchange) for exchange in exchanges[:turn]) or None
    yield _example(
        "llava_conversation", "conversation", question=question, response=answer, dialog=before
    )


_KINDS: dict[Callable[[Scene, Random], Iterator[Example]], float] = {
    _captions: 1,
    _captions_with_words: 0.7,
    _questions: 3,
    _questions_with_words: 1,
    _knowledge: 2,
    _multiple_choice: 1.5,
    _question_generation: 1,
    _statements: 1.5,
    _talk: 0.8,
}
"""Texts about a scene, and their shares."""


def _read(scene: Scene, random: Random) -> tuple[str, ...] | None:
    """The printed words as a reader of text gives them; now and then it gave none."""
    return tuple(word.text for word in scene.words) if random.random() > 1 / 8 else None or None


def _answers(question: Question, random: Random) -> tuple[Answer, ...]:
    return counted(annotators_answers(question, random, _NUM_ANSWERS))


def _example(
    source: str,
    task: str,
    *,
    question: str | None = None,
    answers: tuple[Answer, ...] | None = None,
    captions: tuple[str, ...] | None = None,
    ocr_tokens: tuple[str, ...] | None = None,
    choices: tuple[str, ...] | None = None,
    correct_choice: int | None = None,
    statement: str | None = None,
    label: bool | None = None,
    dialog: tuple[Turn, ...] | None = None,
    response: str | None = None,
) -> Example:
    return Example(
        example_id=f"{source}/train/nano",
        source=source,
        split="train",
        task=task,
        group_id="nano",
        images=("nano",),
        question=question,
        answers=answers,
        captions=captions,
        ocr_tokens=ocr_tokens or None,
        choices=choices,
        correct_choice=correct_choice,
        statement=statement,
        label=label,
        dialog=dialog,
        response=response,
    )
