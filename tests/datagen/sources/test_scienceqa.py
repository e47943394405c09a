import json
from typing import Any

import pytest

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0}


def problem(**changes: Any) -> dict[str, Any]:
    row = {
        "question": "Which is larger?",
        "choices": ["the sun", "the moon"],
        "answer": 0,
        "hint": "",
        "image": "image.png",
        "task": "closed choice",
        "grade": "grade3",
        "subject": "natural science",
        "topic": "astronomy",
        "category": "Space",
        "skill": "Compare",
        "lecture": "",
        "solution": "",
        "split": "test",
    }
    return row | changes


def write(raw: Any, problems: dict[str, Any], **pids: list[str]) -> None:
    raw.json("scienceqa/problems.json", problems)
    listed: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for pid, row in problems.items():
        if row.get("split") in listed:
            listed[row["split"]].append(pid)
    raw.json("scienceqa/pid_splits.json", listed | pids)


def test_a_problem_with_an_image_is_a_record(raw: Any, build: Any) -> None:
    write(raw, {"17": problem(hint="Look\r\nup.\n")})
    (record,) = build(**KEEP).records("scienceqa", "test")
    assert record.record_id == "scienceqa/test/17"
    assert record.images[0].path == "scienceqa/test/17/image.png"
    assert (record.choices, record.correct_choice) == (("the sun", "the moon"), 0)
    assert (record.target, record.references) == ("the sun", ("the sun",))
    assert record.context == "Look\nup."
    assert record.instruction == (
        "Context: Look\nup. Question: Which is larger? Options: (a) the sun (b) the moon. Answer:"
    )
    assert record.tags["skill"] == "Compare"
    assert len(record.tags) == 6


@pytest.mark.parametrize("hint", ["", "  \n", "\u2028"])
def test_a_blank_hint_is_no_context(raw: Any, build: Any, hint: str) -> None:
    write(raw, {"1": problem(hint=hint)})
    (record,) = build(**KEEP).records("scienceqa", "test")
    assert record.context is None
    assert record.instruction.startswith("Question: Which is larger?")


@pytest.mark.parametrize("image", [None, ""])
def test_a_problem_without_an_image_is_filtered(raw: Any, build: Any, image: Any) -> None:
    write(raw, {"1": problem(image=image), "2": problem(), "3": problem(image=image)})
    entry = build(**KEEP).manifest.split("scienceqa", "test")
    assert (entry.rows, entry.read, entry.written) == (3, 3, 1)
    assert (entry.filtered, entry.rejected) == ({"no_image": 2}, {})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"answer": 2}, "index_out_of_range"),
        ({"answer": -1}, "index_out_of_range"),
        ({"choices": []}, "no_answers"),
        ({"choices": ["the sun", " "]}, "empty_text"),
        ({"question": ""}, "empty_text"),
        ({"image": "../../../x.png"}, "unsafe_path"),
        ({"hint": "x" * 70_000}, "text_too_long"),
    ],
)
def test_a_bad_problem_is_rejected_alone(
    raw: Any, build: Any, changes: dict[str, Any], reason: str
) -> None:
    write(raw, {"1": problem(), "2": problem(**changes), "3": problem()})
    building = build(**KEEP)
    (rejection,) = building.rejections("scienceqa")
    assert (rejection.row, rejection.reason, rejection.split) == (1, reason, "test")
    assert len(building.records("scienceqa", "test")) == 2


def test_a_problem_that_cannot_be_decoded_is_rejected_once(raw: Any, build: Any) -> None:
    write(raw, {"1": problem(split="val"), "2": {"split": "test"}, "3": problem(split="train")})
    building = build(**KEEP)
    (rejection,) = building.rejections("scienceqa")
    assert (rejection.row, rejection.reason) == (1, "malformed_row")


def test_both_files_must_agree_on_the_split(raw: Any, build: Any) -> None:
    problems = {"1": problem(), "2": problem(), "3": problem(split="val")}
    write(raw, problems, test=["2"], val=["1", "3"])
    building = build(**KEEP)
    (rejection,) = building.rejections("scienceqa")
    assert (rejection.split, rejection.row, rejection.reason) == ("test", 0, "inconsistent_row")
    assert "problems.json puts problem 1 in test, pid_splits.json does not" in rejection.message
    assert [r.record_id for r in building.records("scienceqa", "val")] == ["scienceqa/val/3"]


def test_a_problem_that_is_there_twice_is_used_once(raw: Any, build: Any) -> None:
    raw.json("scienceqa/pid_splits.json", {"train": [], "val": [], "test": ["1", "2"]})
    first, second, other = (json.dumps(problem(question=f"{n}?")) for n in range(3))
    text = f'{{"1": {first}, "1": {second}, "2": {other}}}'
    raw.write("scienceqa/problems.json", text)
    building = build(**KEEP)
    questions = {r.record_id: r.question for r in building.records("scienceqa", "test")}
    assert questions == {"scienceqa/test/1": "0?", "scienceqa/test/2": "2?"}
    (rejection,) = building.rejections("scienceqa")
    assert (rejection.row, rejection.reason) == (1, "duplicate_id")


def test_splits_have_their_own_images(raw: Any, build: Any) -> None:
    write(raw, {str(n): problem(split=s) for n, s in enumerate(("train", "val", "test"))})
    building = build(**KEEP)
    for number, split in enumerate(("train", "val", "test")):
        (record,) = building.records("scienceqa", split)
        assert record.images[0].path == f"scienceqa/{split}/{number}/image.png"
        assert record.group_id == f"scienceqa:{number}"
