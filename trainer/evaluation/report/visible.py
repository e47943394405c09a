"""Text as a reader must see it: what would be invisible, or would change the page, is spelled out."""

import unicodedata

_NAMES = {"\0": "NUL", "\t": "TAB", "\v": "VT", "\f": "FF", "\r": "CR", "\x7f": "DEL"}
_HIDDEN = frozenset(("Cc", "Cf", "Co", "Cs", "Zl", "Zp"))
"""Categories that draw nothing, such as the marks that turn the direction of writing."""


def visible(text: str) -> str:
    """`text` with what cannot be seen spelled out: ⟨CR⟩, ⟨U+2028⟩, the spaces at its ends as ␣.

    A line feed becomes ↵ and stays one.
    """
    inner = text.strip(" ")
    if not inner:
        return "\u2423" * len(text)
    before = len(text) - len(text.lstrip(" "))
    after = len(text) - len(text.rstrip(" "))
    if not inner.isprintable():
        inner = "".join(map(_drawn, inner))
    return "\u2423" * before + inner + "\u2423" * after


def _drawn(character: str) -> str:
    if character == "\n":
        return "\u21b5\n"
    if name := _NAMES.get(character):
        return f"\u27e8{name}\u27e9"
    category = unicodedata.category(character)
    if category in _HIDDEN or (category == "Zs" and character != " "):
        return f"\u27e8U+{ord(character):04X}\u27e9"
    return character
