"""IconQA: school problems, each in a folder with its image, and all of them in `problems.json`.

Every scene makes a problem with a choice among texts; some make one of the two other tasks as well:
a number to be filled in, or a choice among images.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from datagen.sample.questions import ask, choices
from datagen.sample.scenes import Scene
from datagen.sample.world import SPLITS, World, write_image, write_json

TASKS = ("choose_img", "choose_txt", "fill_in_blank")
MAX_CHOICES = 5
_GRADES = ("prek", "kindergarten", "grade1", "grade2", "grade3")
_FILL_EVERY, _CHOOSE_IMAGE_EVERY = 4, 6
_MINI_SHARE = 10  # one of ten problems is in its split's mini version


class _Problem(NamedTuple):
    task: str
    question: str
    choices: list[str] | None
    answer: int | str
    picture: Scene
    choice_images: tuple[Scene, ...] = ()


def write(raw: Path, world: World) -> None:
    root = raw / "iconqa" / "iconqa_data"
    problems: dict[str, Any] = {}
    pids: dict[str, list[str]] = {f"{task}_{split}": [] for task in TASKS for split in SPLITS}
    for index in range(world.num_scenes):
        split = world.split(index)
        for problem in _problems(world, index):
            pid = str(len(problems))
            problems[pid] = {**_write_problem(root, world, split, pid, problem), "split": split}
            pids[f"{problem.task}_{split}"].append(pid)
    write_json(root / "problems.json", problems)
    write_json(root / "pid_splits.json", _with_parts(world, pids))


def _with_parts(world: World, pids: dict[str, list[str]]) -> dict[str, list[str]]:
    lists = dict(pids)
    for task in TASKS:
        lists[f"{task}_trainval"] = pids[f"{task}_train"] + pids[f"{task}_val"]
        for split in SPLITS:
            mine = pids[f"{task}_{split}"]
            num = -(-len(mine) // _MINI_SHARE)
            lists[f"{task}_mini{split}"] = world.random("iconqa", task, split).sample(mine, num)
    return lists


def _problems(world: World, index: int) -> Iterator[_Problem]:
    random = world.random("iconqa", index, "problems")
    scene = world.scene("iconqa", index)
    question = ask(scene, random)[0]
    texts, answer = choices(question, random, random.randint(2, MAX_CHOICES))
    yield _Problem("choose_txt", question.text, texts, answer, scene)
    if index % _FILL_EVERY == 0:
        scene = world.scene("iconqa_blank", index, num_objects=3)
        question = next(each for each in ask(scene, random) if each.kind == "count")
        yield _Problem("fill_in_blank", question.text, None, question.answer, scene)
    if index % _CHOOSE_IMAGE_EVERY == 1:
        scene = world.scene("iconqa_picture", index, num_objects=1)
        others = [
            world.scene(f"iconqa_choice_{number}", index, num_objects=number + 1)
            for number in range(2)
        ]
        files = [f"choice_{number}.png" for number in range(len(others))]
        text = "Which picture has as many shapes as this one?"
        yield _Problem("choose_img", text, files, 0, scene, tuple(others))


def _write_problem(
    root: Path, world: World, split: str, pid: str, problem: _Problem
) -> dict[str, Any]:
    """Writes the problem's folder; returns its row."""
    folder = root / "iconqa" / split / problem.task / pid
    random = world.random("iconqa", pid, "row")
    row: dict[str, Any] = {"question": problem.question}
    if problem.choices is not None:
        row["choices"] = problem.choices
    row |= {
        "answer": problem.answer,
        "ques_type": problem.task,
        "grade": random.choice(_GRADES),
        "label": f"{random.choice('ABCDEFG')}{random.randint(1, 30)}",
    }
    write_image(folder / "image.png", problem.picture)
    for name, scene in zip(problem.choices or (), problem.choice_images, strict=False):
        write_image(folder / name, scene)
    write_json(folder / "data.json", row, indent=2)
    return row
