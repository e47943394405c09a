"""Cleaning of publishers' texts: characters that would break lines, terminals and tokenizers are removed."""

import re

from templates.blank import is_blank

_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BREAK = re.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]+")


def _unless_blank(text: str) -> str:
    return text if text.isascii() or not is_blank(text) else ""  # stripped: invisible is not ASCII


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


_SPEAKER = re.compile(
    r"^[ \t]*(?:Human|HUMAN|User|Assistant|GPT)[ \t]*:"  # begins a line
    r"|\b(?:USER|ASSISTANT):"
    r"|###[ \t]*(?:Human|User|Assistant|GPT)[ \t]*:"
    r"|###\s*\Z"  # elsewhere it may be a heading of Markdown
    r"|</s>",
    re.MULTILINE,
)


def speaker_marker(text: str) -> str | None:
    """Return what the chat formats of Vicuna and LLaVA put between turns, if it stands in a text."""
    found = _SPEAKER.search(text)
    return None if found is None else found[0].strip()
