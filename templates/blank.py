"""Blank texts: the characters that leave no mark."""

BLANK = (
    "".join(map(chr, range(0x21)))
    + "".join(map(chr, range(0x7F, 0xA0)))
    + "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"  # spaces and breaks
    "\xad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062"
    "\u2063\u2064\u2066\u2067\u2068\u2069\ufe0e\ufe0f\ufeff"  # of no width
    "\u115f\u1160\u2800\u3164\uffa0"  # letters that show nothing
)
"""Spaces, line breaks, control characters, and characters that are invisible."""


def is_blank(text: str) -> bool:
    r"""Return True if `text` has no visible character.

    >>> is_blank("\u200b "), is_blank("\u200b a")
    (True, False)
    """
    if "!" <= text[:1] <= "~":  # most texts, without a look at their ends
        return False
    return not text.strip(BLANK)
