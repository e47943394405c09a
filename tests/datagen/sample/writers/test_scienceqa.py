from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from datagen.sample.world import World
from datagen.sample.writers.scienceqa import write

Read = Callable[[Path], Any]


def test_the_right_choice_is_what_the_pixels_show(
    sample: Path, read: Read, see: Callable, answer: Callable
) -> None:
    checked = 0
    for pid, row in read(sample / "scienceqa/problems.json").items():
        if row["image"] is None:
            continue
        seen = see(Image.open(sample / "scienceqa" / row["split"] / pid / row["image"]))
        truth = answer(seen, row["question"])
        if truth is not None:
            assert row["choices"][row["answer"]] == truth, row
            checked += 1
    assert checked > 25


def test_problems_come_with_and_without_images_and_hints(tmp_path: Path, read: Read) -> None:
    write(tmp_path, World(seed=0, num_scenes=200))
    problems = read(tmp_path / "scienceqa/problems.json").values()
    kinds = Counter((row["image"] is not None, row["hint"] != "") for row in problems)
    assert len(kinds) == 4
    assert min(kinds.values()) >= 10
    assert {len(row["choices"]) for row in problems} == {2, 3, 4, 5}
    assert {row["task"] for row in problems} == {"closed choice", "yes or no", "true-or false"}
    assert all(0 <= row["answer"] < len(row["choices"]) for row in problems)


def test_a_problem_has_an_image_on_disk_only_if_it_says_so(sample: Path, read: Read) -> None:
    problems = read(sample / "scienceqa/problems.json")
    given = {f"{r['split']}/{pid}/image.png" for pid, r in problems.items() if r["image"]}
    folder = sample / "scienceqa"
    assert given == {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}


def test_the_lists_of_ids_agree_with_the_problems(sample: Path, read: Read) -> None:
    problems = read(sample / "scienceqa/problems.json")
    pids = read(sample / "scienceqa/pid_splits.json")
    for split, num in (("train", 36), ("val", 12), ("test", 12)):
        assert pids[split] == [pid for pid, row in problems.items() if row["split"] == split]
        assert len(pids[split]) == num
        assert set(pids[f"mini{split}"]) < set(pids[split])
    assert pids["trainval"] == pids["train"] + pids["val"]


def test_files_have_the_official_keys_in_the_official_order(
    sample: Path, real: Path, read: Read
) -> None:
    ours, theirs = (read(folder / "scienceqa/problems.json") for folder in (sample, real))
    assert list(ours["1"]) == list(theirs["1"])
    for key, value in ours["1"].items():
        assert type(value) is type(theirs["1"][key])
    tasks = {row["task"] for row in theirs.values()}
    assert {row["task"] for row in ours.values()} <= tasks
    ours, theirs = (read(folder / "scienceqa/pid_splits.json") for folder in (sample, real))
    assert list(ours) == list(theirs)
