from typing import Any

import pytest

COLUMNS = (
    "task: multiple_choice\ncolumns: {image: image, question: q, choices: options, answers: a}\n"
)
COLOURS = ["red", "blue", "green"]


def asked(**fields: Any) -> dict[str, Any]:
    return {"image": "a.png", "q": "Colour?", "options": COLOURS} | fields


def test_a_choice_is_a_place_among_texts(source: Any) -> None:
    toy = source(COLUMNS)
    assert toy.one(**asked(a="blue")).fields == {
        "question": "Colour?",
        "choices": ("red", "blue", "green"),
        "correct_choice": 1,
        "context": None,
    }


@pytest.mark.parametrize(
    ("rules", "options", "answer", "place"),
    [
        ("is: text", COLOURS, " BLUE ", 1),
        ("is: text", [2, 4, 8], 4, 1),
        ("is: text", ["Red", "red"], "red", 1),
        ("is: text", COLOURS, ["green"], 2),
        ("is: index", COLOURS, 0, 0),
        ("is: index, first: 1", COLOURS, "3", 2),
        ("is: index, first: 1", COLOURS, "2.0", 1),
        ("is: index, first: 1", COLOURS, 2.0, 1),
        ("is: letter", COLOURS, "b", 1),
        ("is: letter", COLOURS, "(C)", 2),
        ("is: letter", COLOURS, "C.", 2),
        ("is: letter", COLOURS, "B) Blue", 1),
        ("is: key", {"A": "red", "C": "green", "B": "blue"}, "C", 1),
        ("is: key", {"A": 3, "B": 4}, "B. 4", 1),
        ("is: key", {"1": "red", "2": "blue"}, 2, 1),
        ("is: index, separator: '|'", "red | blue", 1, 1),
        ("is: text, separator: '|'", "red|blue", "blue", 1),
    ],
)
def test_an_answer_is_read_as_the_file_says(
    source: Any, rules: str, options: Any, answer: Any, place: int
) -> None:
    toy = source(f"{COLUMNS}answer: {{{rules}}}\n")
    assert toy.one(**asked(options=options, a=answer)).fields["correct_choice"] == place


@pytest.mark.parametrize(
    ("rules", "options", "answer", "reason", "said"),
    [
        ("is: text", COLOURS, "grey", "inconsistent_row", "'grey', which is none of the choices red"),
        ("is: text", COLOURS, None, "no_answers", "a has no answer"),
        ("is: text", COLOURS, ["red", "blue"], "inconsistent_row", "2 answers where one is due"),
        ("is: text", ["red", "Red"], "RED", "inconsistent_row", "none of the choices"),
        ("is: index, first: 1", COLOURS, 0, "index_out_of_range", "is 0, but .* from 1 to 3"),
        ("is: index", COLOURS, 3, "index_out_of_range", "from 0 to 2"),
        ("is: index", COLOURS, -1, "index_out_of_range", "from 0 to 2"),
        ("is: index", COLOURS, 1.5, "malformed_row", "no whole number"),
        ("is: index", COLOURS, "B", "malformed_row", "no whole number"),
        ("is: index", COLOURS, True, "malformed_row", "no whole number"),
        ("is: letter", COLOURS, "D", "index_out_of_range", "'D', but the choices have the letters A, B, C"),
        ("is: letter", COLOURS, "AB", "malformed_row", "'AB', which is no single letter"),
        ("is: letter", COLOURS, "A red one", "malformed_row", "no single letter"),
        ("is: letter", COLOURS, "B) red", "inconsistent_row", "but choice B is 'blue'"),
        ("is: key", {"A": "x", "B": "y"}, "C", "index_out_of_range", "the keys A, B"),
        ("is: text", "red;blue", "red", "malformed_row", "options is a text .* answer.separator"),
        ("is: text", ["red", ""], "red", "empty_text", "choice 2 of options is empty"),
        ("is: text", ["red", {}], "red", "malformed_row", "choice 2 of options is an object"),
        ("is: text", [], "red", "empty_text", "options has no choices"),
        ("is: text", None, "red", "empty_text", "options has no value"),
    ],
)  # fmt: skip
def test_an_answer_that_means_no_option_is_rejected(
    source: Any, rules: str, options: Any, answer: Any, reason: str, said: str
) -> None:
    import re

    found = source(f"{COLUMNS}answer: {{{rules}}}\n").rejected(**asked(options=options, a=answer))
    assert found[0] == reason
    assert re.search(said, found[1]), found[1]


def test_choices_may_stand_in_columns_of_their_own(source: Any) -> None:
    toy = source(
        "task: multiple_choice\nanswer: {is: letter}\n"
        "columns: {image: image, question: q, choices: [A, B, C, D], answers: a, context: hint}"
    )
    row = {"image": "a.png", "q": "Which?", "A": "x", "B": "", "C": 3, "hint": "Look."}
    mapped = toy.one(**row, a="C")
    assert (mapped.fields["choices"], mapped.fields["correct_choice"]) == (("x", "3"), 1)
    assert mapped.fields["context"] == "Look."
    assert toy.rejected(**row, a="B")[0] == "index_out_of_range"


def test_one_choice_and_equal_choices_are_reported(source: Any) -> None:
    toy = source(COLUMNS)
    toy.one(**asked(options=["red"], a="red"))
    toy.one(**asked(options=["red", "red"], a="red"))
    assert [each.reason for each in toy.problems] == ["one_choice", "equal_choices"]


def test_hidden_answers_leave_the_choices(source: Any) -> None:
    mapped = source(f"{COLUMNS}use: {{test: hidden}}").one("test", **asked())
    assert mapped.fields["correct_choice"] is None
