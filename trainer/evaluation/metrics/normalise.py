"""Normalisers of answers: the official VQA rules, oddities included.

Read in GT-Vision-Lab/VQA a013f00, `PythonEvaluationTools/vqaEvaluation/vqaEval.py` (`processPunctuation`,
`processDigitArticle`), of which LAVIS has a copy (`lavis/common/vqa_tools/vqa_eval.py`), and in lmms-eval,
`tasks/_task_utils/vqa_eval_metric.py` (`EvalAIAnswerProcessor`, from MMF). What surprises is theirs, and
decides about scores:

- One comma between two digits anywhere in a text makes every punctuation mark be deleted; else a mark
  that has a space at its side somewhere in the text is deleted, any other becomes a space.
- Periods vanish unless a digit follows, whatever is before them (their pattern means to look behind, and
  does not); only the first 32, since a flag of that value stands where the count belongs.
- `:`, `%`, `$`, `&`, `'` and all that is not ASCII stay. `none` is `0`, `eleven` stays a word. `a` is an
  article also in "vitamin a".
- Contractions get their apostrophes, except that "somebody'd" loses its own. Keys with capitals (`Im`)
  are never met, as texts are in lower case by then, and are left out here.
"""

import re
import unicodedata
from functools import lru_cache

_CACHED = 1 << 16
_OPENING = "\"'([{<\u00ab\u201c\u201e\u2018\u201a\u00bf\u00a1\u300c\u300e"
_CLOSING = ".,;:!?\"')]}>\u00bb\u201d\u201c\u2019\u2018\u2026\u3002\u3001\uff0c\uff01\uff1f\uff1b\uff1a\u300d\u300f"
"""Marks before and behind a word; quotes of some languages open with what others close with."""
_MAX_PERIODS = 32  # the value of re.UNICODE
_PUNCTUATION = frozenset(';/[]"{}()=+\\_-><@`,?!')
_PERIOD = re.compile(r"\.(?!\d)")
_PERIOD_ASCII = re.compile(r"\.(?![0-9])")
_COMMA = re.compile(r"\d,\d")
_COMMA_ASCII = re.compile(r"[0-9],[0-9]")

_NUMBER_WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
)
_NUMBERS = {"none": "0"} | {word: str(number) for number, word in enumerate(_NUMBER_WORDS)}
_ARTICLES = frozenset({"a", "an", "the"})

_APOSTROPHE_LEFT_OUT = """
'twas ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's
how'd how'll how's isn't it'd it'll ma'am might've mightn't must've mustn't needn't not've o'clock
oughtn't shan't should've shouldn't somebody'll somebody's someone'd someone'll someone's
something'd something'll that's there'd there're there's they'd they'll they're they've wasn't
we've weren't what'll what're what's what've when's where'd where's where've who'd who'll who's
who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've
"""
_ONE_OF_TWO_LEFT_OUT = """
couldn't've hadn't've he'd've it'd've mightn't've 'ow's'at she'd've shouldn't've somebody'd've
someone'd've something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'll y'all'd've
you'd've
"""

_CONTRACTIONS = (
    {word.replace("'", ""): word for word in _APOSTROPHE_LEFT_OUT.split()}
    | {
        word[:place] + word[place + 1 :]: word
        for word in _ONE_OF_TWO_LEFT_OUT.split()
        for place, character in enumerate(word)
        if character == "'"
    }
    | {"somebody'd": "somebodyd"}
)


def one_line(text: str) -> str:
    """Line breaks and tabs become spaces, and the ends are stripped: the official script's first step."""
    return text.replace("\n", " ").replace("\t", " ").strip()


@lru_cache(_CACHED)
def vqa_punctuation(text: str) -> str:
    """Punctuation alone, as the official script does it on Python 2: digits are 0 to 9."""
    return _without_punctuation(text, _COMMA_ASCII, _PERIOD_ASCII)


@lru_cache(_CACHED)
def vqa_answer(text: str) -> str:
    """Punctuation, numbers, articles and contractions, as the official script does it on Python 2."""
    return _plain_words(_without_punctuation(text, _COMMA_ASCII, _PERIOD_ASCII))


@lru_cache(_CACHED)
def lavis_answer(text: str) -> str:
    """The same on Python 3, as LAVIS runs it: digits are those of any script."""
    return _plain_words(_without_punctuation(text, _COMMA, _PERIOD))


@lru_cache(_CACHED)
def evalai_answer(text: str) -> str:
    """The rule of the EvalAI servers: before the others, commas and question marks go, and `'s` is split off."""
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return _plain_words(_without_punctuation(one_line(text), _COMMA, _PERIOD))


@lru_cache(_CACHED)
def plain_answer(text: str) -> str:
    """Return an answer without regard to case, blanks, Unicode normal form and marks around its words.

    No number, article or mark within a word is touched: 1,50 is not 150, `A` may be a grade, and the rules
    hold for any language. A rule of ours, for own data.
    """
    words = unicodedata.normalize("NFC", text).casefold().split()
    stripped = (word.lstrip(_OPENING).rstrip(_CLOSING) for word in words)
    return " ".join(filter(None, stripped)) or " ".join(words)


def _without_punctuation(text: str, comma: re.Pattern[str], period: re.Pattern[str]) -> str:
    marks = _PUNCTUATION.intersection(text)
    if marks:
        delete_all = comma.search(text) is not None
        becomes = {
            ord(mark): "" if delete_all or f"{mark} " in text or f" {mark}" in text else " "
            for mark in marks
        }
        text = text.translate(becomes)
    return period.sub("", text, count=_MAX_PERIODS) if "." in text else text


def _plain_words(text: str) -> str:
    words = (_NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)
