"""A key that changes nothing is an error, not a silence."""

from pathlib import Path
from typing import Any

import pytest

from datagen.errors import UserError
from datagen.sources.declared.load import parse_definitions

VQA = "name: toy\ntask: vqa\nfiles: a.csv\ncolumns: {image: i, question: q, answers: a}\n"
CLASSES = "name: toy\ntask: classification\nfiles: a.csv\ncolumns: {image: i, label: l}\n"
CHOICES = (
    "name: toy\ntask: multiple_choice\nfiles: a.csv\n"
    "columns: {image: i, question: q, choices: c, answers: a}\n"
)
CAPTIONS = "name: toy\ntask: caption\nfiles: a.csv\ncolumns: {image: i, caption: c}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (VQA + "answer: {is: index}", r"answer\.is: index names one of several choices, which"),
        (VQA + "answer: {names: {0: cat}}", r"answer\.names: not used by task vqa, only by class"),
        (VQA + "answer: {first: 1}", r"answer\.first: not used by task vqa"),
        (VQA + "answer: {lower: true}", r"answer\.lower: not used by task vqa"),
        (CLASSES + "answer: {is: index}", r"answer\.names gives labels their names"),
        (CLASSES + "answer: {separator: '|'}", r"answer\.separator: not used by task class"),
        (CHOICES + "answer: {is: letter, first: 1}", r"answer\.first: counts choices"),
        (CHOICES + "answer: {several: false}", r"answer\.several: not used by"),
        (CAPTIONS + "answer: {missing_words: [x]}", r"answer\.missing_words: not used by"),
        (CAPTIONS + "question: What?", "question: not used by task caption"),
        (VQA + "question: What?", r"and columns\.question is not; give one of them"),
        (
            CLASSES + "evaluation: {decode: {beams: 1}}",
            r"evaluation\.decode: not used by task class",
        ),
        (
            VQA + "evaluation: {candidates: generate}",
            r"evaluation\.candidates: not used by task vqa",
        ),
        (VQA + "roles: {user: [me]}", r"roles: not used by task vqa"),
        (VQA + "videos: {root: v}", r"videos: not used without columns\.video"),
        (VQA.replace("image: i", "video: v") + "images: {root: v}", r"images: not used beside"),
    ],
)
def test_a_key_that_the_task_does_not_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_definitions(text)


@pytest.mark.parametrize(
    "text",
    [
        VQA + "answer: {is: text, several: false, separator: '|', true_words: [ja]}",
        CLASSES + "answer: {lower: true, names: {0: cat}}\nquestion: Which?",
        CLASSES + "evaluation: {candidates: generate, decode: {beams: 1}}",
        CHOICES + "answer: {is: index, first: 1, separator: '|'}",
        "name: toy\npreset: vlmevalkit\nfiles: a.tsv\ntask: vqa\n"
        "columns: {choices: null, context: null}\nimages: {same_as: null}",
    ],
    ids=["vqa", "classification", "generated", "multiple_choice", "key_of_a_preset"],
)
def test_keys_that_are_used_or_come_from_a_preset_are_accepted(text: str) -> None:
    assert parse_definitions(text)


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [
        (
            "a.jsonl",
            "format: {delimiter: ';'}",
            r"format\.delimiter: not used by files of type jsonl",
        ),
        ("a.csv", "rows: data", "rows: not used by files of type csv, only by json"),
        ("a.jsonl", "rows: data", "rows: not used by files of type jsonl"),
    ],
)
def test_a_key_about_another_format_is_refused(
    check: Any, tmp_path: Path, name: str, key: str, message: str
) -> None:
    (tmp_path / name).write_text("i,q,a\n")
    with pytest.raises(UserError, match=message):
        check(VQA.replace("a.csv", name) + key)


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [("{prompt: '{{ nothing }}'}", "nothing"), ("{decode: {beems: 3}}", "beems")],
)
def test_an_evaluation_that_cannot_be_used_is_refused_before_a_split_is_evaluated(
    check: Any, tmp_path: Path, evaluation: str, message: str
) -> None:
    (tmp_path / "a.csv").write_text("i,q,a\n")
    with pytest.raises(UserError, match=message):
        check(f"{VQA}evaluation: {evaluation}\n")


@pytest.mark.parametrize(
    ("key", "name"),
    [("json: anwer", "json"), ("python_lists: [a, anwer]", "python_lists.1")],
)
def test_a_column_to_decode_that_no_row_has_is_reported(
    check: Any, image: Any, tmp_path: Path, key: str, name: str
) -> None:
    image("a.png")
    (tmp_path / "a.csv").write_text("i,q,a,answer\na.png,What?,red,x\n")
    _, checker = check(f"{VQA}{key}\n")
    (found,) = checker.problems
    assert found.reason == "absent_column"
    assert found.message == f"{name}: no column 'anwer', did you mean 'answer'?"
