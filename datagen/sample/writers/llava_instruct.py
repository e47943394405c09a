"""LLaVA-Instruct-150K: conversations, detailed descriptions and reasoning about COCO's train2017.

Only images that no source evaluates on. `<image>` stands before the first question or after it.
"""

from pathlib import Path
from random import Random
from typing import Any

from datagen.sample.questions import Question, ask, varied
from datagen.sample.scenes import Scene
from datagen.sample.words import NUMBER_WORDS, description, listed, noun, where
from datagen.sample.world import Image, World, write_images, write_json

ROLES = ("train", "restval")
_DETAIL_REQUESTS = (
    "Can you describe this picture in detail?",
    "What is shown here? Leave nothing out.",
    "Tell me everything that can be seen in the image.",
)
_REASONS = (
    "How can one tell from the picture?",
    "Explain how the picture shows it.",
    "Give the reason as well.",
)

Exchange = tuple[str, str]
"""A question and its answer."""


def write(raw: Path, world: World) -> None:
    pictures = world.coco(*ROLES, release=2017)
    write_images(raw, pictures)
    parts = {
        "conversation_58k": conversation,
        "detail_23k": detail,
        "complex_reasoning_77k": reasoning,
    }
    for name, talk in parts.items():
        rows = []
        for picture in pictures:
            random = world.random("llava_instruct", name, picture.image_id)
            rows.append(_row(picture, talk(picture.scene, random), random))
        write_json(raw / "llava_instruct" / f"{name}.json", rows, indent=2)


def conversation(scene: Scene, random: Random) -> list[Exchange]:
    """Two to four short answers, then one in paragraphs."""
    questions = varied(ask(scene, random), random.randint(2, 4))
    talk = [(question.text, question.sentence) for question in questions]
    return [*talk, ("What else is there to say about the picture?", _in_paragraphs(scene))]


def detail(scene: Scene, random: Random) -> list[Exchange]:
    return [(random.choice(_DETAIL_REQUESTS), " ".join(_sentences(scene)))]


def reasoning(scene: Scene, random: Random) -> list[Exchange]:
    """A question about the objects, answered from what is said of all of them."""
    question = next(each for each in ask(scene, random) if each.kind != "word")
    return [(f"{question.text} {random.choice(_REASONS)}", _reasoned(scene, question))]


def _reasoned(scene: Scene, question: Question) -> str:
    return f"{description(scene)} No other shape is drawn.\n\n{question.sentence}"


def _in_paragraphs(scene: Scene) -> str:
    first, *others = _sentences(scene)
    return "\n\n".join([first, *([" ".join(others)] if others else [])])


def _sentences(scene: Scene) -> list[str]:
    """Return the number of objects in words, then each object and each word with its place."""
    count = NUMBER_WORDS[len(scene.objects)]
    start = "There is one shape" if count == "one" else f"There are {count} shapes"
    named = listed([f"a {noun(thing, 'color', 'shape')}" for thing in scene.objects])
    sentences = [f"{start} on a dark background: {named}."]
    for thing in scene.objects:
        name = noun(thing, "color", "shape")
        sentences.append(f"A {name} is {where(thing)} of the picture; it is {thing.size}.")
    sentences += [f"The word {word.text} is printed {where(word)}." for word in scene.words]
    return sentences


def _row(picture: Image, talk: list[Exchange], random: Random) -> dict[str, Any]:
    messages = []
    for question, answer in talk:
        messages.append({"from": "human", "value": question})
        messages.append({"from": "gpt", "value": answer})
    first = messages[0]["value"]
    before = random.random() < 0.5
    messages[0]["value"] = f"<image>\n{first}" if before else f"{first}\n<image>"
    return {
        "id": f"{picture.image_id:012d}",
        "image": picture.file_name,
        "conversations": messages,
    }
