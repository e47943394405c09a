"""Training rows of the nano language model: drills, lessons and instructions about drawn scenes."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tokenizers import Tokenizer

from datagen.sample.knowledge import ask_with_knowledge
from datagen.sample.questions import ask
from datagen.sample.scenes import Scene, make_scene, random_for
from datagen.sample.statements import about_objects, about_pairs
from pipelines.nano.texts import full_caption, texts, things
from pipelines.nano.vocabulary import EOS
from templates.library import TemplateSet

TEXTS_PER_SCENE = 8
_CAPTION_SHARE = 0.1
_QUESTIONS = 6
_DRILLS_AFTER_QUESTIONS = 3
_DRILLS = 10
_LESSON_OBJECTS = (20, 40, 40)  # of 1, 2 and 3: more to tell apart than in the sample


@dataclass(frozen=True)
class Row:
    """A scene, and a text about it as token ids, of which some are targets."""

    bundles: tuple[tuple[int, ...], ...]
    sentence: tuple[int, ...]
    text: tuple[int, ...]
    learned: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.text)


class Writer:
    """Makes rows of scenes."""

    def __init__(self, tokenizer: Tokenizer, templates: TemplateSet, seed: int) -> None:
        self.tokenizer = tokenizer
        self.templates = templates
        self.seed = seed

    def drill(self, collection: str, index: int) -> Row:
        """Things, each said again and again from another of its words on: nothing but looking up."""
        random = random_for(self.seed, collection, index, "drill")
        scene = make_scene(self.seed, collection, index, num_objects=random.choice((2, 3)))
        return self._row_of(scene, *self._drilled(scene, random, _DRILLS))

    def lesson(self, collection: str, index: int) -> Row:
        """Bare questions with their answers, then a full caption or drills, in one text.

        Much is to be learned from each token, and the answers stand before the text that would give
        them away.
        """
        random = random_for(self.seed, collection, index, "lesson")
        [num_objects] = random.choices((1, 2, 3), _LESSON_OBJECTS)
        scene = make_scene(self.seed, collection, index, num_objects=num_objects)
        asked = [(q.text, q.answer) for q in ask(scene, random)]
        asked += [(q.text, q.answer) for q in ask_with_knowledge(scene, random)[:3]]
        asked += [
            (f"{each.text} Yes or no?", "yes" if each.label else "no")
            for each in [*about_pairs(scene, random)[:1], *about_objects(scene, random)[:1]]
        ]
        random.shuffle(asked)
        asked = asked[:_QUESTIONS]
        if random.random() < 0.5:
            return self._row(scene, [*asked, ("", full_caption(scene))])
        ids, learned = self._said(asked)
        more_ids, more_learned = self._drilled(scene, random, _DRILLS_AFTER_QUESTIONS)
        return self._row_of(scene, ids + more_ids, learned + more_learned)

    def instructions(self, collection: str, index: int) -> list[Row]:
        """One row for each of some instructions; some have none, and the full caption as target."""
        scene = make_scene(self.seed, collection, index)
        random = random_for(self.seed, collection, index, "instructions")
        return [
            self._row(
                scene,
                [
                    ("", full_caption(scene))
                    if random.random() < _CAPTION_SHARE
                    else (text.instruction, text.target)
                ],
            )
            for text in texts(scene, random, self.templates, TEXTS_PER_SCENE)
        ]

    def _row(self, scene: Scene, pairs: Sequence[tuple[str, str]]) -> Row:
        return self._row_of(scene, *self._said(pairs))

    def _said(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[int], list[bool]]:
        """Token ids of instructions and targets in turn, and which are learned: the targets."""
        ids: list[int] = []
        learned: list[bool] = []
        for asked, said in pairs:
            question, answer = self.ids(asked), [*self.ids(said), EOS]
            ids += question + answer
            learned += [False] * len(question) + [True] * len(answer)
        return ids, learned

    def _drilled(self, scene: Scene, random: Random, num: int) -> tuple[list[int], list[bool]]:
        """Token ids, and which are learned: all words of a thing but the first, which is chance."""
        words = [thing.split(" ", 2 if thing.startswith("word") else 3) for thing in things(scene)]
        ids: list[int] = []
        learned: list[bool] = []
        for _ in range(num):
            thing = random.choice(words)
            first = random.randrange(len(thing))
            for number, word in enumerate([*thing[first:], *thing[:first]]):
                tokens = self.ids(word)
                ids += tokens
                learned += [number > 0] * len(tokens)
            ids += self.ids(",")
            learned += [False]
        return ids, learned

    def _row_of(self, scene: Scene, ids: Sequence[int], learned: Sequence[bool]) -> Row:
        return Row(
            bundles=tuple(tuple(self.ids(thing)) for thing in things(scene)),
            sentence=tuple(self.ids(f"{full_caption(scene)}.")),
            text=tuple(ids),
            learned=tuple(learned),
        )

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)


def batches(rows: Sequence[Row], size: int, random: Random) -> list[list[Row]]:
    """Batches of rows of about equal length, in random order."""
    shuffled = random.sample(list(rows), len(rows))
    found = []
    for start in range(0, len(shuffled), 8 * size):
        some = sorted(shuffled[start : start + 8 * size], key=len)
        found += [some[i : i + size] for i in range(0, len(some) - size + 1, size)]
    random.shuffle(found)
    return found
