"""Normalisation of answers: the official VQA rules with their oddities."""

import pytest

from trainer.evaluation.metrics.normalise import (
    evalai_answer,
    lavis_answer,
    one_line,
    vqa_answer,
    vqa_punctuation,
)

ARABIC_DECIMAL = "\u0663.\u0664"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t-shirt", "t shirt"),
        ("north-south, east", "north-south east".replace("-", " ")),
        ("red - blue-green", "red bluegreen"),  # a space beside one hyphen deletes both
        ("1,2 - 3", "12 3"),  # a comma between digits deletes every mark
        ("(red)", "red"),
        ("8:30", "8:30"),
        ("50%", "50%"),
        ("what?!", "what"),
        ("", ""),
    ],
)
def test_punctuation_becomes_nothing_or_a_space_by_the_whole_text(text, expected):
    assert vqa_answer(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("u.s.a.", "usa"), ("1.5", "1.5"), ("5.", "5"), ("a.5", "a.5"), ("st. louis", "st louis")],
)
def test_periods_go_unless_a_digit_follows(text, expected):
    assert vqa_answer(text) == expected


def test_only_the_first_32_periods_go():
    assert vqa_answer("." * 40) == "." * 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", "0"),
        ("Ten", "10"),
        ("eleven", "eleven"),
        ("Vitamin A", "vitamin"),
        ("a b an c the", "b c"),
        ("the", ""),
    ],
)
def test_numbers_become_digits_and_articles_go(text, expected):
    assert vqa_answer(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dont", "don't"),
        ("Im", "im"),  # its key has a capital and is never met
        ("somebody'd", "somebodyd"),
        ("couldnt've", "couldn't've"),
        ("couldn'tve", "couldn't've"),
        ("ow's'at", "'ow's'at"),
        ("'ow'sat", "'ow's'at"),
        ("y'all'dve", "y'all'd've"),
        ("lets", "lets"),
    ],
)
def test_contractions_are_those_of_the_official_table(text, expected):
    assert vqa_answer(text) == expected


def test_punctuation_alone_keeps_case_articles_and_spaces():
    assert vqa_punctuation("The t-shirt,  two.") == "The t shirt  two"


def test_the_official_script_knows_ascii_digits_only_and_lavis_all():
    assert vqa_answer(ARABIC_DECIMAL) == ARABIC_DECIMAL.replace(".", "")
    assert lavis_answer(ARABIC_DECIMAL) == ARABIC_DECIMAL


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("man's hat", "man 's hat"),
        ("1,000 - 2-3", "1000 23"),  # its commas have gone before they can delete marks
        ("1,2-3", "12 3"),
        ("What?", "what"),
        ("The dog's\n", "dog 's"),
    ],
)
def test_evalai_takes_commas_and_question_marks_first_and_splits_possessives(text, expected):
    assert evalai_answer(text) == expected


def test_one_line_has_no_breaks_no_tabs_and_no_ends():
    assert one_line("\tred\nhat \n") == "red hat"
