"""Text as the publishers give it, less what would break lines, terminals and tokenizers."""

import re

_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BREAK = re.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]+")


_BLANK = (
    "".join(map(chr, range(0x21)))
    + "\x7f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"  # spaces and breaks
    "\xad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062"
    "\u2063\u2064\u2066\u2067\u2068\u2069\ufe0e\ufe0f\ufeff"  # of no width
    "\u115f\u1160\u2800\u3164\uffa0"  # letters that show nothing
)
"""Characters that leave no mark. A text of these alone is empty; within a text they stay."""


def _unless_blank(text: str) -> str:
    return text if text.strip(_BLANK) else ""


def clean_line(text: str) -> str:
    """Return one line: each run of line breaks, tabs and control characters becomes a space; trimmed.

    Everything else stays to the letter. A caption with a carriage return or U+2028 would otherwise
    count as two lines in the reference caption tokenizer, and shift all captions after it. A text without
    a visible character, such as one of zero-width spaces, becomes empty.
    """
    if text.isprintable():
        return _unless_blank(text.strip())
    return _unless_blank(_NOT_IN_A_LINE.sub(" ", text).strip())


def clean_paragraphs(text: str) -> str:
    r"""As `clean_line`, but line breaks and tabs stay; every kind of line break becomes `\n`."""
    if text.isprintable():
        return _unless_blank(text.strip())
    return _unless_blank(_CONTROL.sub(" ", _BREAK.sub("\n", text)).strip())
