"""ScienceQA: multiple-choice problems, most about an image, some with a hint, lecture or solution.

`problems.json` holds them all by problem id, `pid_splits.json` lists the ids of each split.
"""

from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from datagen.sample.questions import ask, choices
from datagen.sample.scenes import WORDS, Scene
from datagen.sample.statements import about_objects
from datagen.sample.words import description
from datagen.sample.world import SPLITS, World, write_image, write_json

MAX_CHOICES = 5
_MINI_SHARE = 10  # one of ten problems is in its split's mini version

_MATERIALS = ("natural science", "physics", "Materials", "Identify properties of an object")
_SUBJECTS = {
    "place": ("social science", "geography", "Geography", "Read a map: positions"),
    "count": ("natural science", "units-and-measurement", "Units and measurement", "Count objects"),
    "word": ("language science", "reading-comprehension", "Reading", "Read a printed word"),
    "alphabet": (
        "language science",
        "reference-skills",
        "Reference skills",
        "Order alphabetically",
    ),
}
_LECTURES = {
    "count": "To count objects, look at each of them once.",
    "word": "A word is made of letters. The same word can be printed in capital letters.",
    "place": "A place in a picture can be named by its height and by its side.\nThe place in the "
    "middle of both is the center.",
    "alphabet": "To put words in order, compare their first letters.\nIf these are the same, "
    "compare the second letters, and so on.",
}
_PROPERTIES = (
    "An object has different properties. A property of an object can tell you how it looks.\n"
    "Color, shape and size are properties."
)


class _Problem(NamedTuple):
    kind: str
    question: str
    choices: list[str]
    answer: int
    hint: str
    solution: str
    has_image: bool


def write(raw: Path, world: World) -> None:
    problems: dict[str, Any] = {}
    pids: dict[str, list[str]] = {split: [] for split in SPLITS}
    for index in range(world.num_scenes):
        pid, split = str(index + 1), world.split(index)
        random = world.random("scienceqa", index, "problem")
        scene = world.scene("scienceqa", index)
        problem = _make_problem(scene, random)
        if problem.has_image:
            write_image(raw / "scienceqa" / split / pid / "image.png", scene)
        problems[pid] = _row(problem, split, random)
        pids[split].append(pid)
    write_json(raw / "scienceqa" / "problems.json", problems)
    pids["trainval"] = pids["train"] + pids["val"]
    for split in SPLITS:
        num = -(-len(pids[split]) // _MINI_SHARE)
        pids[f"mini{split}"] = world.random("scienceqa", "mini", split).sample(pids[split], num)
    write_json(raw / "scienceqa" / "pid_splits.json", pids, indent=2)


def _make_problem(scene: Scene, random: Random) -> _Problem:
    kind = random.choices(("picture", "statement", "text", "alphabet"), (6, 2, 2, 1))[0]
    if kind == "alphabet":
        return _order_words(random)
    if kind == "statement":
        for statement in about_objects(scene, random)[:1]:
            found = random.sample(["true", "false"], 2)
            truth = "true" if statement.label else "false"
            text = f"Is the following statement about the picture true or false?\n{statement.text}"
            solution = f"Look at the picture. The statement is {truth}."
            hint = _hint(random)
            return _Problem("", text, found, found.index(truth), hint, solution, True)
    questions = ask(scene, random)
    in_text = kind == "text"
    if in_text:  # the hint says everything but the printed word
        questions = [question for question in questions if question.kind != "word"]
    question = questions[0]
    found, answer = choices(question, random, random.randint(3, MAX_CHOICES))
    return _Problem(
        question.kind,
        question.text,
        found,
        answer,
        hint=_description(scene) if in_text else _hint(random),
        solution=f"{'Read the text' if in_text else 'Look at the picture'}. {question.sentence}",
        has_image=not in_text,
    )


def _order_words(random: Random) -> _Problem:
    words = [word.lower() for word in random.sample(WORDS, random.randint(2, MAX_CHOICES))]
    first = min(words)
    text = "Which of these words comes first in the alphabet?"
    solution = f"The word {first} comes before all others."
    return _Problem("alphabet", text, words, words.index(first), "", solution, False)


def _hint(random: Random) -> str:
    hints = ("Use the picture to answer the question below.", "Select the best answer.")
    return random.choice(hints) if random.random() < 0.4 else ""


def _description(scene: Scene) -> str:
    return f"The passage below describes a picture.\n{description(scene)}"


def _row(problem: _Problem, split: str, random: Random) -> dict[str, Any]:
    tasks = {"no yes": "yes or no", "false true": "true-or false"}
    subject, topic, category, skill = _SUBJECTS.get(problem.kind, _MATERIALS)
    lecture = _LECTURES.get(problem.kind, _PROPERTIES)
    return {
        "question": problem.question,
        "choices": problem.choices,
        "answer": problem.answer,
        "hint": problem.hint,
        "image": "image.png" if problem.has_image else None,
        "task": tasks.get(" ".join(sorted(problem.choices)), "closed choice"),
        "grade": f"grade{random.randint(1, 12)}",
        "subject": subject,
        "topic": topic,
        "category": category,
        "skill": skill,
        "lecture": lecture if random.random() < 0.8 else "",
        "solution": problem.solution if random.random() < 0.8 else "",
        "split": split,
    }
