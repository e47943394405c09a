import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.text import clean_line, clean_paragraphs

awkward = st.lists(
    st.sampled_from([*"\r\n\v\f\t\0\x1b\x1c\x1d\x1e\x7f\x85\x9f\u2028\u2029\xa0 ", "word", "é"])
    | st.characters()
).map("".join)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a red bus", "a red bus"),
        ("  a red bus \n", "a red bus"),
        ("a red\r\nbus", "a red bus"),
        ("a red\u2028bus\u2029", "a red bus"),
        ("a\tred\x00\x1b bus", "a red  bus"),
        ("two  spaces stay", "two  spaces stay"),
        ("naïve 日本 😀 e\u0301 \xa0x", "naïve 日本 😀 e\u0301 \xa0x"),
        ("\r\n", ""),
        ("", ""),
        ("\u200b\u200d\ufeff", ""),
        (" \u2060\xad\u3164\u2800 ", ""),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("\u200ba bus", "\u200ba bus"),
    ],
)
def test_a_line_keeps_its_words_and_loses_its_breaks(text: str, line: str) -> None:
    assert clean_line(text) == line


@pytest.mark.parametrize(
    ("text", "paragraphs"),
    [
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("one\u2028two\x85three\ffour", "one\ntwo\nthree\nfour"),
        ("\n\ta table\tcell\x07\n", "a table\tcell"),
        ("one\n\ntwo", "one\n\ntwo"),
        (" \x00 ", ""),
        ("\u200b\n\u200b", ""),
    ],
)
def test_paragraphs_keep_their_breaks_as_line_feeds(text: str, paragraphs: str) -> None:
    assert clean_paragraphs(text) == paragraphs


@given(awkward)
def test_a_cleaned_line_is_one_line_for_every_reader(text: str) -> None:
    line = clean_line(text)
    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    assert clean_line(line) == line


@given(awkward)
def test_cleaned_paragraphs_break_at_line_feeds_only(text: str) -> None:
    cleaned = clean_paragraphs(text)
    assert "\n".join(cleaned.splitlines()) == cleaned
    assert clean_paragraphs(cleaned) == cleaned


@given(awkward)
def test_cleaning_loses_no_visible_character(text: str) -> None:
    visible = [char for char in text if char.isprintable() and not char.isspace()]
    for clean in (clean_line, clean_paragraphs):
        assert [char for char in clean(text) if char in visible] == visible
