import pytest

from templates.blank import is_blank


@pytest.mark.parametrize(
    "text", ["", " ", "\t\r\n", "\x00\x85\x9f", "\xa0\u2003", "\u200b\u200d\ufeff", "\u2800\u3164"]
)
def test_texts_without_a_visible_character_are_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", "?", "\u200ba", "\u0600", "\U0001f468\u200d\U0001f469"])
def test_texts_with_a_visible_character_are_not_blank(text: str) -> None:
    assert not is_blank(text)
