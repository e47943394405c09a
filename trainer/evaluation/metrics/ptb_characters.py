"""Single characters as the Penn Treebank tokenizer writes them; found by giving it each of the 65,536.

It knows the letters and digits of Unicode 6 and some symbols, writes quotes, dashes, currencies and
fractions in ASCII, and passes over all else: emoji, whatever lies beyond the first 65,536, control
characters. We take the letters of this Python's Unicode, which has some more.
"""

# ruff: noqa: RUF001

import re
import unicodedata
from functools import lru_cache

APOSTROPHE = r"(?:['’\x92]|&apos;)"

_ENTITY_LETTER = "&[aeiouAEIOU](?:acute|grave|uml);"
_NUMBER_SYMBOLS = "²³¹¼-¾৴-৹⁰-\u209c⅐-ↈ①-⓿❶-➓〇〡-〩〸-〺㆒-㆕㈠-㉃㉈-㉏㉑-㉟㊀-㊉㊱-㊿"
"""Python counts them among the characters of words."""

_MARKS = "\u00ad\u02c2-\u02df\u02e5-\u02ed\u02ef-\u036f\u0483-\u0487"
"""Accents that stand alone or are put on the letter before, and the hyphen that shows at a line's end."""

LETTER = rf"(?:[^\W\d_{_NUMBER_SYMBOLS}]|[{_MARKS}]|{_ENTITY_LETTER})"
ALPHANUMERIC = rf"(?:[^\W_{_NUMBER_SYMBOLS}]|[{_MARKS}]|{_ENTITY_LETTER})"
ALPHANUMERIC_UNMARKED = rf"[^\W_{_NUMBER_SYMBOLS}]"

OPENING_AND_CLOSING = "‘’“”‛„‚‹›«»`\\x91-\\x94"
DASHES = "–—―\x96\x97"
PASSED_OVER = "\0"
"""Stands for every character that makes no token and is part of none."""

_HYPHENS = "‐‑֊"
"""Within a word they are part of it; alone they are passed over."""

WRITTEN_AS = {
    "(": "-lrb-",
    ")": "-rrb-",
    "[": "-lsb-",
    "]": "-rsb-",
    "{": "-lcb-",
    "}": "-rcb-",
    '"': "''",
    **dict.fromkeys("‘‛‹\x91", "`"),
    **dict.fromkeys("’›\x92", "'"),
    **dict.fromkeys("“«\x93", "``"),
    **dict.fromkeys("”»\x94", "''"),
    **dict.fromkeys("€¤₠\x80", "$"),
    "…": "...",
    "£": "#",
    "¢": "cents",
    "¼": "1/4",
    "½": "1/2",
    "¾": "3/4",
    "⅓": "1/3",
    "⅔": "2/3",
    "\u00ad": "-",
    **dict.fromkeys(f"{_HYPHENS}{PASSED_OVER}", ""),
    "&amp;": "&",
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": "''",
    "&apos;": "'",
    "&nbsp;": "",
    "&ndash;": "--",
    "&mdash;": "--",
}
"""Output for a token that is one character, or one entity; "" if it is dropped."""

_SYMBOL = re.compile(
    "[\u00a1\u00a5-\u00a9\u00ac\u00ae-\u00b4\u00b6-\u00b9\u00bf\u00d7\u00f7\u037e\u0387"
    "\u0589\u05be\u05c0\u05c3\u05c6\u05f3-\u05f4\u0600-\u0603\u0606-\u060c\u0614\u061b"
    "\u061e-\u061f\u066a\u066d\u06d4\u0700-\u070d\u07f6-\u07f8\u0964-\u0965\u0e3f\u0e4f"
    "\u1fbd\u2016-\u2017\u201a\u201e-\u2023\u2030-\u2038\u203b\u203e-\u2042\u2044\u2070"
    "\u2074-\u207e\u2080-\u208e\u20a4\u2100-\u2101\u2103-\u2106\u2108-\u2109\u2114"
    "\u2116-\u2118\u211e-\u2123\u2125\u2127\u2129\u212e\u213a-\u213b\u2140-\u2144"
    "\u214a-\u214d\u214f\u2155-\u215e\u2190-\u2bff\u3001-\u3002\u3012\u30fb\uff01-\uff0f"
    "\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffe1\uffe5-\uffe6]"
)
_LETTER = re.compile(LETTER)


def in_known_characters(text: str) -> str:
    """The text with `PASSED_OVER` in place of every character that the tokenizer does not know."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_known, text))


@lru_cache(maxsize=1 << 16)
def _known(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() else PASSED_OVER
    if ord(character) > 0xFFFF:
        return PASSED_OVER
    known = (
        character in WRITTEN_AS
        or character in DASHES
        or _SYMBOL.match(character)
        or _LETTER.match(character)
        or unicodedata.category(character) == "Nd"
    )
    return character if known else PASSED_OVER
