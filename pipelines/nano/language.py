"""Stage 0: the language model learns to answer from what stands in front of an instruction.

In front stands what a scene holds: in some batches a sentence, in the others a few *bundles*, one
vector for each thing, the sum of its words' embeddings, in any order among empty ones. A soft prompt
is of that form too. With sentences alone a model of this size hardly learns within minutes which
attribute belongs to which thing: that takes two attention hops, a bundle takes one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from transformers import LlamaForCausalLM

from datagen.sample.knowledge import ask_with_knowledge
from datagen.sample.questions import ask
from datagen.sample.scenes import Scene, make_scene, random_for
from datagen.sample.statements import about_objects, about_pairs
from pipelines.nano.optimize import Recipe, Say, optimize
from pipelines.nano.texts import full_caption, texts, things
from pipelines.nano.vocabulary import EOS, PAD
from templates.library import TemplateSet

NUM_SLOTS = 8
_TEXTS_PER_SCENE = 8
_SENTENCE_SHARE = 0.1
_CAPTION_SHARE = 0.1
_MAX_LENGTH = 96
_QUESTIONS = 6
_DRILLS_AFTER_QUESTIONS = 3
_DRILLS = 10
_LESSON_OBJECTS = (20, 40, 40)
_NOISE = 0.3
"""Of a bundle's own size, so that the model bears soft prompts that are not quite bundles."""


@dataclass(frozen=True)
class Row:
    """What a scene holds, and a text about it as token ids, of which some are learned to be said."""

    bundles: tuple[tuple[int, ...], ...]
    sentence: tuple[int, ...]
    text: tuple[int, ...]
    learned: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.text)


@dataclass(frozen=True, kw_only=True)
class LanguagePlan:
    """The three parts of the stage: to look up, to answer, to understand the wordings."""

    drills: Recipe = field(default_factory=lambda: Recipe(steps=300, batch=64, learning_rate=2e-3))
    lessons: Recipe = field(default_factory=lambda: Recipe(steps=500, batch=64, learning_rate=2e-3))
    instructions: Recipe = field(
        default_factory=lambda: Recipe(steps=400, batch=160, learning_rate=2e-3)
    )


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
            for text in texts(scene, random, self.templates, _TEXTS_PER_SCENE)
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


def pretrain_language(
    model: LlamaForCausalLM, writer: Writer, plan: LanguagePlan, say: Say
) -> dict[str, float]:
    """Train all of the model on drills, lessons and instructions; returns the last losses by part."""
    parts = {
        "drills": (plan.drills, _drills),
        "lessons": (plan.lessons, _lessons),
        "instructions": (plan.instructions, _instructions),
    }
    return {
        name: _train(model, name, make(writer, recipe), recipe, say)
        for name, (recipe, make) in parts.items()
    }


def _drills(writer: Writer, recipe: Recipe) -> list[Row]:
    return [writer.drill("nano_drills", n) for n in range(recipe.steps * recipe.batch)]


def _lessons(writer: Writer, recipe: Recipe) -> list[Row]:
    return [writer.lesson("nano_lessons", n) for n in range(recipe.steps * recipe.batch)]


def _instructions(writer: Writer, recipe: Recipe) -> list[Row]:
    num_scenes = -(-recipe.steps * recipe.batch // _TEXTS_PER_SCENE) + recipe.batch
    made = (writer.instructions("nano_instructions", n) for n in range(num_scenes))
    return [row for rows in made for row in rows if len(row) <= _MAX_LENGTH]


def _train(model: LlamaForCausalLM, name: str, rows: list[Row], recipe: Recipe, say: Say) -> float:
    random = random_for(name)
    generator = torch.Generator().manual_seed(0)
    order = batches(rows, recipe.batch, random)
    model.train()

    def loss_of(step: int) -> Tensor:
        some = order[step % len(order)]
        as_sentence = random.random() < _SENTENCE_SHARE
        front = None if as_sentence else bundles(model, some, random, generator)
        return answer_loss(model, some, front)

    loss = optimize(name, model.parameters(), recipe, loss_of, say)
    model.train(False)
    return loss


def bundles(
    model: LlamaForCausalLM, rows: Sequence[Row], random: Random, generator: torch.Generator | None
) -> Tensor:
    """[rows, slots, width]: the things of each row, in order, in random slots; empty ones hold `</s>`."""
    slots = []
    for row in rows:
        filled: list[tuple[int, ...]] = [(EOS,)] * NUM_SLOTS
        places = sorted(random.sample(range(NUM_SLOTS), len(row.bundles)))
        for place, bundle in zip(places, row.bundles, strict=True):
            filled[place] = bundle
        slots.append(filled)
    width = max(len(slot) for row in slots for slot in row)
    ids = torch.tensor([[[*slot, *[PAD] * (width - len(slot))] for slot in row] for row in slots])
    embedded = model.get_input_embeddings()(ids) * (ids != PAD)[..., None]
    summed: Tensor = embedded.sum(2)
    if generator is None:
        return summed
    size = summed.detach().pow(2).mean(-1, keepdim=True).sqrt()
    return summed + _NOISE * size * torch.randn(summed.shape, generator=generator)


def answer_loss(model: LlamaForCausalLM, rows: Sequence[Row], front: Tensor | None) -> Tensor:
    """Mean cross-entropy per learned token."""
    logits, labels, _ = answer_logits(model, rows, front)
    return functional.cross_entropy(logits, labels)


def answer_logits(
    model: LlamaForCausalLM, rows: Sequence[Row], front: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits [learned tokens of all rows, vocabulary], their labels, and which row each is of.

    `front` [rows, slots, width] stands before the texts; without it the rows' sentences do. Rows are
    padded on the right, which a causal model need not be told.
    """
    before = [() if front is not None else row.sentence for row in rows]
    texts = [(*start, *row.text) for start, row in zip(before, rows, strict=True)]
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *[PAD] * (longest - len(text))] for text in texts])
    learned = torch.zeros(ids.shape, dtype=torch.bool)
    for number, (start, row) in enumerate(zip(before, rows, strict=True)):
        learned[number, len(start) : len(start) + len(row)] = torch.tensor(row.learned)
    states = model.get_input_embeddings()(ids)
    if front is not None:
        states = torch.cat([front, states], 1)
    hidden = model.model(inputs_embeds=states, use_cache=False).last_hidden_state
    row_of, place_of = learned.nonzero().T
    skipped = 0 if front is None else front.shape[1]
    said_from = hidden[row_of, place_of + skipped - 1]
    return model.lm_head(said_from), ids[learned], row_of


@torch.no_grad()
def exact(model: LlamaForCausalLM, rows: Sequence[Row], front: Tensor | None) -> list[bool]:
    """Of which rows greedy decoding would say all that is learned."""
    logits, labels, row_of = answer_logits(model, rows, front)
    wrong = torch.zeros(len(rows), dtype=torch.long)
    wrong.index_add_(0, row_of, (logits.argmax(-1) != labels).long())
    return [number == 0 for number in wrong.tolist()]
