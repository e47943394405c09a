"""Penn Treebank tokens of captions, as pycocoevalcap's `PTBTokenizer` gives them, without Java.

There a caption goes through the tokenizer of Stanford CoreNLP 3.4.1 with `-lowerCase`, and tokens that
are in a list of punctuation go. The list has brackets in capitals, but by then they are in small
letters: `-lrb-` stays. See `ptb_rules` for the rules.

One thing is not the same on purpose. There all captions are lines of one file, and a carriage return,
form feed or the like within a caption shifts all later captions to other pictures; here, as before we
hand captions to that tokenizer, all white space is a blank first. Also, a few of its rules look at how
the next line begins; here nothing follows a caption.
"""

import re

from trainer.evaluation.metrics.ptb_characters import in_known_characters
from trainer.evaluation.metrics.ptb_rules import (
    ABBREVIATIONS,
    CAPITAL_ABBREVIATIONS,
    RULES,
    SENTENCE_FINAL_ABBREVIATIONS,
    SENTENCE_STARTS,
    SPLIT_WORDS,
)

PUNCTUATION = frozenset(
    ("''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", *".?!,:;-", "--", "...")
)
"""pycocoevalcap's list of tokens that it removes."""

VERSION = 1
"""Counts changes of the tokens."""

_LINE_BREAK = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")

_ACROSS_BLANKS = re.compile(
    rf"[\d)] [(\d]|\. [.\d]|(?<![A-Za-z0-9.])[A-Za-z]\. +(?:{'|'.join(SENTENCE_STARTS)}|<)|<[^>]* "
)
"""Where a rule may read past a blank: numbers, spaced dots, initials, tags."""

_PLAIN = re.compile("([A-Za-z]{2,})([,.]?)")
_MAX_CACHED = 1 << 18


def tokenize(text: str) -> str:
    """The tokens of a text, in lower case, with a blank between them; "" if there are none.

    >>> tokenize("It's a man's hat, isn't it?")
    "it 's a man 's hat is n't it"
    """
    clean = one_line(text)
    if _ACROSS_BLANKS.search(clean):
        return _scan(clean)
    return " ".join(filter(None, map(_tokens_of.__getitem__, clean.split(" "))))


def one_line(text: str) -> str:
    """The text with single blanks for all white space, also that which ends lines."""
    return " ".join(text.split())


def breaks_lines(text: str) -> bool:
    """Whether a text has a character that ends a line."""
    return _LINE_BREAK.search(text) is not None


def _scan(text: str) -> str:
    """The tokens of a text by the rules."""
    known = in_known_characters(text)
    end, place = len(known), 0
    known += "\n\n"  # what follows a caption where captions are lines
    tokens = []
    while place < end:
        if known[place] == " ":
            place += 1
            continue
        furthest, token, written = -1, "", ""
        for rule in RULES:
            match = rule.pattern.match(known, place)
            if match is not None and match.end() > furthest:
                furthest, token, write = match.end(), match[1], rule.written
        written = write(token)
        if written and written not in PUNCTUATION:
            tokens.append(written)
        place += len(token)
    return " ".join(tokens)


class _Tokens(dict[str, str]):
    """The tokens of what stands between two blanks; captions have few different ones."""

    def __missing__(self, piece: str) -> str:
        if len(self) >= _MAX_CACHED:
            self.clear()
        found = self[piece] = _plain_word(piece) or _scan(piece)
        return found


_tokens_of = _Tokens()

_NOT_PLAIN = frozenset(
    map(
        str.lower,
        (
            *ABBREVIATIONS,
            *SENTENCE_FINAL_ABBREVIATIONS,
            *CAPITAL_ABBREVIATIONS,
            *SPLIT_WORDS,
        ),
    )
)


def _plain_word(piece: str) -> str | None:
    """The one token of a word that no rule is about; None where the rules have to be asked."""
    match = _PLAIN.fullmatch(piece)
    if match is None:
        return None
    word = match[1].lower()
    return None if word in _NOT_PLAIN else word
