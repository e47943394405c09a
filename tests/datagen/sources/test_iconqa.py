from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["iconqa"]}
FOLDER = "iconqa/iconqa_data"


def problem(**changes: Any) -> dict[str, Any]:
    row = {
        "question": "The first image is a sub. Which image is third?",
        "choices": ["turtle", "fish", "sub"],
        "answer": 1,
        "ques_type": "choose_txt",
        "grade": "grade1",
        "label": "A25",
    }
    return row | changes


def write(raw: Any, problems: dict[str, Any], **pids: list[str]) -> None:
    """The two official files; by default each problem is listed in its own split."""
    lists: dict[str, list[str]] = {f"choose_txt_{s}": [] for s in ("train", "val", "test")}
    for pid, row in problems.items():
        lists.setdefault(f"{row['ques_type']}_{row['split']}", []).append(pid)
    raw.json(f"{FOLDER}/problems.json", problems)
    raw.json(f"{FOLDER}/pid_splits.json", lists | pids)


def write_folder(raw: Any, pid: str, row: Any, split: str = "test") -> None:
    raw.json(f"{FOLDER}/iconqa/{split}/choose_txt/{pid}/data.json", row, indent=2)


def test_a_problem_is_a_choice_among_texts(raw: Any, build: Any) -> None:
    write(raw, {"149": problem(split="test")})
    (record,) = build(**KEEP).records("iconqa", "test")
    assert record.record_id == "iconqa/test/149"
    assert record.question == "The first image is a sub. Which image is third?"
    assert (record.choices, record.correct_choice) == (("turtle", "fish", "sub"), 1)
    assert (record.target, record.references) == ("fish", ("fish",))
    path = "iconqa/iconqa_data/iconqa/test/choose_txt/149/image.png"
    assert [image.path for image in record.images] == [path]
    assert record.group_id == "iconqa:149"
    assert record.tags == {"grade": "grade1", "label": "A25"}
    assert record.context is None
    assert record.instruction == (
        "Question: The first image is a sub. Which image is third? "
        "Options: (a) turtle (b) fish (c) sub. Short answer:"
    )


def test_both_layouts_give_the_same_records(raw: Any, build: Any, tmp_path: Path) -> None:
    problems = {"149": problem(), "18": problem(answer=0), "9": problem(hint="Look\r\nup.")}
    for pid, row in problems.items():
        write_folder(raw, pid, row)
    one = build("folders", **KEEP)
    write(raw, {pid: row | {"split": "test"} for pid, row in problems.items()})
    other = build("official", **KEEP)
    assert one.manifest.split("iconqa", "test").layout == "folders"
    assert other.manifest.split("iconqa", "test").layout == "official"
    assert one.records("iconqa", "test") == other.records("iconqa", "test")
    assert {r.record_id: r.context for r in one.records("iconqa", "test")} == {
        "iconqa/test/149": None,
        "iconqa/test/18": None,
        "iconqa/test/9": "Look\nup.",
    }


def test_both_layouts_of_the_sample_give_the_same_records(
    sample_raw: Path, referenced: Any, prepare: Any, tmp_path: Path
) -> None:
    raw = tmp_path / "folders"
    copytree(sample_raw / FOLDER / "iconqa", raw / FOLDER / "iconqa")
    building = prepare("out-folders", raw=raw, sources=["iconqa"]).run()
    assert {e.layout for e in building.manifest.splits["iconqa"].values()} == {"folders"}
    for split in ("train", "val", "test"):
        assert building.records("iconqa", split) == referenced.records("iconqa", split)
        assert referenced.manifest.split("iconqa", split).layout == "official"
    assert referenced.manifest.split("iconqa", "train").filtered["other_task"] > 0


def test_the_other_tasks_are_filtered(raw: Any, build: Any) -> None:
    problems = {
        "1": problem(split="test"),
        "2": problem(split="test", ques_type="choose_img", choices=["choice_0.png"], answer=0),
        "3": {
            "question": "How many?",
            "answer": "16",
            "ques_type": "fill_in_blank",
            "split": "test",
            "unit": "o'clock",
        },
    }
    write(raw, problems)
    building = build(**KEEP)
    entry = building.manifest.split("iconqa", "test")
    assert (entry.rows, entry.written) == (3, 1)
    assert (entry.filtered, entry.rejected) == ({"other_task": 2}, {})


def test_both_files_must_agree_on_the_split(raw: Any, build: Any) -> None:
    write(raw, {"1": problem(split="test"), "2": problem(split="test")}, choose_txt_test=["2"])
    building = build(**KEEP)
    (rejection,) = building.rejections("iconqa")
    assert (rejection.row, rejection.reason) == (0, "inconsistent_row")
    assert "puts problem 1 in test, pid_splits.json does not" in rejection.message
    assert [r.record_id for r in building.records("iconqa", "test")] == ["iconqa/test/2"]


def test_a_problem_of_no_known_split_is_rejected(raw: Any, build: Any) -> None:
    write(raw, {"1": problem(split="test"), "2": problem(split="minitest")})
    (rejection,) = build(**KEEP).rejections("iconqa")
    assert (rejection.row, rejection.reason) == (1, "unknown_split")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"answer": 3}, "index_out_of_range"),
        ({"answer": -1}, "index_out_of_range"),
        ({"answer": "1"}, "malformed_row"),
        ({"choices": []}, "no_answers"),
        ({"choices": None}, "no_answers"),
        ({"choices": ["turtle", " "]}, "empty_text"),
        ({"question": "\n"}, "empty_text"),
        ({"ques_type": None}, "malformed_row"),
    ],
)
@pytest.mark.parametrize("layout", ["official", "folders"])
def test_a_bad_problem_is_rejected_alone(
    raw: Any, build: Any, layout: str, changes: dict[str, Any], reason: str
) -> None:
    problems = {"1": problem(), "2": problem(**changes), "3": problem()}
    if layout == "folders":
        for pid, row in problems.items():
            write_folder(raw, pid, row)
    else:
        write(raw, {pid: row | {"split": "test"} for pid, row in problems.items()})
    building = build(**KEEP)
    (rejection,) = building.rejections("iconqa")
    assert (rejection.row, rejection.reason) == (1, reason)
    ids = {r.record_id for r in building.records("iconqa", "test")}
    assert ids == {"iconqa/test/1", "iconqa/test/3"}


def test_a_folder_that_holds_a_problem_of_another_task_is_told(raw: Any, build: Any) -> None:
    write_folder(raw, "1", problem())
    write_folder(raw, "2", problem(ques_type="choose_img"))
    (rejection,) = build(**KEEP).rejections("iconqa")
    assert (rejection.row, rejection.reason) == (1, "inconsistent_row")
    assert rejection.message == "ques_type is 'choose_img' in a folder of choose_txt"
