"""Penn Treebank tokens of captions, as pycocoevalcap's `PTBTokenizer` gives them, without Java.

There a caption goes through the tokenizer of Stanford CoreNLP 3.4.1 with `-lowerCase`, and tokens that
are in a list of punctuation go. The list has brackets in capitals, but by then they are in small
letters: `-lrb-` stays. See `ptb_rules` for the rules.

One thing is not the same on purpose. There all captions are lines of one file, and a carriage return,
form feed or the like within a caption shifts all later captions to other images; here, as before we
hand captions to that tokenizer, all white space is a blank first.

Since they are lines of one file, what it makes of a caption that ends with `plan B.` or `no.` depends
on how the next one begins. `tokenize_lines` does the same; to `tokenize` nothing follows a caption.
"""

import re
from collections.abc import Sequence

from trainer.evaluation.metrics.ptb_characters import in_known_characters
from trainer.evaluation.metrics.ptb_rules import (
    ABBREVIATIONS,
    ABBREVIATIONS_OF_NUMBERS,
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

VERSION = 2
"""Counts changes of the tokens."""

_LINE_BREAK = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")

_ACROSS_BLANKS = re.compile(
    rf"[\d)] [(\d]|\. [.\d]|(?<![A-Za-z0-9.])[A-Za-z]\. +(?:{'|'.join(SENTENCE_STARTS)}|<)|<[^>]* "
)
"""Places at which a rule may read past a blank: numbers, spaced dots, initials, tags."""

_OPEN_END = re.compile(
    rf"(?<![A-Za-z0-9.])(?:[A-Za-z]|(?i:{'|'.join(ABBREVIATIONS_OF_NUMBERS)}))\.$"
)
"""Of a caption after which it matters what follows."""

_PLAIN = re.compile("([A-Za-z]{2,})([,.]?)")
_MAX_CACHED = 1 << 18


def tokenize(text: str) -> str:
    """The tokens of a text, in lower case, with a blank between them; "" if there are none.

    >>> tokenize("It's a man's hat, isn't it?")
    "it 's a man 's hat is n't it"
    """
    clean = one_line(text)
    return _scan(clean) if _ACROSS_BLANKS.search(clean) else _by_piece(clean)


def tokenize_lines(captions: Sequence[str]) -> list[str]:
    """The tokens of each caption, where captions are lines of one file: see above."""
    tokens = []
    for place, caption in enumerate(captions):
        found = tokenize(caption)
        if caption.rstrip().endswith(".") and _OPEN_END.search(clean := one_line(caption)):
            found = _before(clean, _following(captions, place + 1))
        tokens.append(found)
    return tokens


def _before(clean: str, following: str) -> str:
    """The tokens of a text before what follows, which matters to its last piece only."""
    if _ACROSS_BLANKS.search(clean):
        return _scan(clean, following)
    start, _, last = clean.rpartition(" ")
    return " ".join(filter(None, (_by_piece(start), _scan(last, following))))


def _by_piece(clean: str) -> str:
    """The tokens of a text in which no rule reads past a blank."""
    return " ".join(filter(None, map(_tokens_of.__getitem__, clean.split(" "))))


def _following(captions: Sequence[str], place: int) -> str:
    """The lines from `place` to the first that is not empty, with its end if it is not the last."""
    following = ""
    while place < len(captions) and not following.strip():
        following += f"\n{one_line(captions[place])}"
        place += 1
    return following + "\n" * (place < len(captions))


def one_line(text: str) -> str:
    """The text with single blanks for all white space, also that which ends lines."""
    return " ".join(text.split())


def breaks_lines(text: str) -> bool:
    """Return whether a text has a character that ends a line."""
    return _LINE_BREAK.search(text) is not None


def _scan(text: str, following: str = "\n\n") -> str:
    """The tokens of a text by the rules; `following` is what is read after it."""
    known = in_known_characters(text)
    end, place = len(known), 0
    known += following
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
    """Return the one token of a word that no rule is about; None where a rule may apply."""
    match = _PLAIN.fullmatch(piece)
    if match is None:
        return None
    word = match[1].lower()
    return None if word in _NOT_PLAIN else word
