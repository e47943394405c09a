"""The tokens of the Penn Treebank tokenizer: of all rules that match, the one that reads furthest wins.

Written from what the tokenizer of Stanford CoreNLP 3.4.1 answers, not from its code: all words of one to
four letters before a full stop, all of one to three on either side of an apostrophe, numbers of many
lengths and separators, and random text were given to it. A rule's first group is its token; what it
reads beyond that is context, which counts for the length. Of two of one length the first in `RULES` wins.
"""

# ruff: noqa: RUF001

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from trainer.evaluation.metrics.ptb_characters import (
    ALPHANUMERIC,
    ALPHANUMERIC_UNMARKED,
    APOSTROPHE,
    DASHES,
    LETTER,
    OPENING_AND_CLOSING,
    WRITTEN_AS,
)


def _list(text: str) -> list[str]:
    return text.split()


_AP = APOSTROPHE
_ASCII = "[A-Za-z0-9]"

ABBREVIATIONS = _list(
    "adj adm adv alex assoc asst attys atty ave brig capt cf cie cmdr col comdr cpl dept det dr drs elec "
    "ens ft gen gov govs hon insp invt jos lieut lt maj messrs mfg mlle mme mr mrs ms msgr mt mtg natl pfc "
    "ph pptes pptys pres prof profs pvt rep reps rev sen sens sfc sgt spc st ste supt supts treas vs wm"
)
SENTENCE_FINAL_ABBREVIATIONS = _list(
    "al ala apr ariz assn aug bhd bldg blvd bros calif co colo conn corp cos ct dak dec esq est etc ext feb "
    "fla fri ga inc ind intl jan jr jul jun kan kans ky ltd mar md mich minn mo mon mont neb nev nov oct okla "
    "penn plc ppte ppty pte ptes pty ptys rd rt sep sept seq sq sr sys tel tenn thu thurs tue tues univ va vt "
    "wed wis wisc wyo"
)
CAPITAL_ABBREVIATIONS = _list("Ark Az Del Ill La Mass Miss Ore Pa Tex Wash")
ABBREVIATIONS_OF_NUMBERS = _list("art ca fig figs no nos op pp prop")
"""`no. 5`, but `I said no.`"""

SENTENCE_STARTS = _list(
    r"A About According Additionally After An As At But Earlier He Her Here However If In It Last Many More "
    r"Mr\. Ms\. Now Once One Other Our She Since Some So Such That The Their Then There These They This We "
    "What When While Yet You"
)
"""After a letter with a full stop these begin a sentence: the full stop is not the letter's."""

SPLIT_WORDS = {
    "cannot": "can not",
    "gimme": "gim me",
    "gonna": "gon na",
    "gotta": "got ta",
    "lemme": "lem me",
    "wanna": "wan na",
}

_WORDS_WITH_APOSTROPHES = _list("'n' dunkin' somethin' ol' 'em 'till 'til 'cause cap'n c'est")
"""Of any apostrophe, the longer of two before the shorter."""

_WORDS_WITH_QUOTES = _list("ne'er o'er o'clock ma'am")
"""Of any apostrophe or opening quote."""

_WORDS_WITH_TYPED_APOSTROPHES = _list("li'l e'er ev'ry nat'l c'mon s'mores nor'easter")
"""Of the apostrophe of the keyboard alone."""


_FILE_ENDINGS = _list(
    "bat bmp c cgi class cpp dll doc docx exe gif gz h htm html jar java jpeg jpg mov mp3 pdf php pl png ppt "
    "ps py sql tar txt wav x xml zip"
)


class Rule(NamedTuple):
    pattern: re.Pattern[str]
    written: Callable[[str], str]


def _plainly(token: str) -> str:
    """In lower case, without hyphens that show at a line's end only."""
    return token.replace("\u00ad", "").replace("&apos;", "'").replace("&amp;", "&").lower()


def _in_lower_case(token: str) -> str:
    return token.lower()


def _listed(token: str) -> str:
    return WRITTEN_AS.get(token.lower(), token.lower())


def _by_character(token: str) -> str:
    return "".join(WRITTEN_AS.get(character, character) for character in token).lower()


def _unbroken(token: str) -> str:
    """Brackets written out; a space within a token becomes one that does not break."""
    escaped = token.replace("(", "-lrb-").replace(")", "-rrb-")
    return escaped.replace(" ", "\u00a0").lower()


def _with_plain_apostrophe(token: str) -> str:
    return re.sub(_AP, "'", token).replace("‘", "`").lower()


def _split_word(token: str) -> str:
    return SPLIT_WORDS[token.lower()]


def _dash(token: str) -> str:
    return "--" if len(token) < 5 else token


def _any_case(words: list[str]) -> str:
    return f"(?i:{'|'.join(words)})"


_WORD = rf"{LETTER}{ALPHANUMERIC}*(?:[.!?]{LETTER}{ALPHANUMERIC}*)*"
_ELIDED = rf"[dDoOlL]{_AP}"
_ELIDED_PART = rf"(?:{_ELIDED}(?=[^\W_])(?![sdmSDM](?![^\W_]|-)))?"
_HYPHENATED = (
    rf"(?:{_ELIDED}{LETTER}{ALPHANUMERIC}|{ALPHANUMERIC}){ALPHANUMERIC}*(?:-{_ELIDED_PART}{ALPHANUMERIC}+)+",
    rf"{_ASCII}+(?:[-_]{_ASCII}+)+",
    rf"{_ASCII}[A-Za-z0-9.,]*(?:-(?:{_ASCII}+|(?:[A-Z]\.)+))+",
)
_ELIDED_WORD = rf"{_ELIDED}{LETTER}{ALPHANUMERIC}+"
_CAPITALS = r"[A-Z]+(?:(?:&|&amp;|\+)[A-Z]+)+"
_NUMBER = r"[-+]?(?:\d+(?:[.:,٫٬\u00ad]\d+)*|(?:[.:,٫٬\u00ad]\d+)+)"
_TAG_NAME = r"[A-Za-z][A-Za-z0-9_:.\-]*"
_TAG = (
    rf"</{_TAG_NAME} *>|<[!?]?{_TAG_NAME}(?: +{_TAG_NAME}(?: *= *(?:\"[^\"]*\"|'[^']*'))?)* *[/?]?>"
    "|<!--.*?-->"
)
_PHONE = (
    r"(?:\(\d{2,3}\) ?|(?:\+\+?)?(?:\d{2,4}[- ])?\d{2,4}[- ])\d{3,4}[- ]?\d{3,5}",
    r"(?:(?:\+\+?)?\d{2,4}\.)?\d{2,4}\.\d{3,4}\.\d{3,5}",
)
_URL_END = r"[^\s<>|().,!?{}\"\-]"
_URL_REST = r"[^\s<>|()\"]"
_HOST_PART = r"[^\s\"<>|.!?(){},/]+"
_HOST_START = r"[a-z#%&*+~\u0080-\uffff]"
_DOMAINS = "(?:com|net|org|edu)"
_SMILEYS = (
    r"[<>]?[:;=][-o*']?[()DdPpO\\@|\]\[{](?![A-Za-z0-9])",
    r"\([xX^][_.][xX^]\)",
    r"\^_\^",
    ">_<",
    "[-']_[-']",
)


def _contractions() -> Iterator[tuple[str, Callable[[str], str]]]:
    """Apostrophes: of clitics, which are tokens; of elisions; of words listed; of quotes."""
    suffix = rf"{_AP}(?:[sdmSDM]|ll|LL|re|RE|ve|VE)"
    curly_suffix = r"(?:[’\x92]|&apos;)(?:[sdmSDM]|ll|LL|re|RE|ve|VE)"
    yield rf"([A-Za-z]+)[nN](?:{_AP}|[`‘])[tT]", _plainly
    yield rf"([nN](?:{_AP}|[`‘])[tT])(?![A-Za-z])", _with_plain_apostrophe
    yield rf"({_WORD}){suffix}(?![A-Za-z])", _plainly
    yield rf"({suffix})[^A-Za-z]", _with_plain_apostrophe
    yield rf"({curly_suffix})", _with_plain_apostrophe
    yield rf"([{OPENING_AND_CLOSING}]{{2}}|'')", _by_character
    for words, apostrophe in (
        (_WORDS_WITH_APOSTROPHES, _AP),
        (_WORDS_WITH_QUOTES, f"(?:{_AP}|[`‘])"),
        (_WORDS_WITH_TYPED_APOSTROPHES, "'"),
    ):
        yield (
            f"({_any_case([each.replace(chr(39), apostrophe) for each in words])})",
            _in_lower_case,
        )
    yield rf"([nA-HJ-XZ](?:{_AP}|[`‘]){LETTER}{{2,}})", _in_lower_case
    yield rf"({LETTER}*[A-Za-z][aeiouyAEIOUY]{_AP}[aeiouA-Z]{LETTER}*)", _plainly
    yield r"(['’\x92][nN])", _plainly
    yield r"(')[A-Za-z][^ \n]", _listed
    yield rf"([DdLlJjYy]{_AP})(?=\S)", _plainly
    yield rf"([DdLlJj]{_AP})", _plainly
    yield "('[tT])(?i:is|was)", _plainly
    yield rf"({_AP}\d\ds)", _plainly
    yield rf"({_AP}\d\d)(?=\s)", _plainly


def _names_and_numbers() -> Iterator[tuple[str, Callable[[str], str]]]:
    yield rf"((?i:https?)://{_URL_REST}+{_URL_END})", _plainly
    yield (
        rf"({_HOST_START}*(?i:www)\.(?:{_HOST_PART}\.)+(?:[A-Za-z]{{2,4}}(?![A-Za-z0-9])|{_DOMAINS}))",
        _plainly,
    )
    yield rf"({_HOST_START}*www\.{_HOST_PART}\.{_DOMAINS}/{_URL_REST}+{_URL_END})", _plainly
    yield rf"({_HOST_START}+(?:\.{_HOST_START}+)*\.{_DOMAINS}/{_URL_REST}+{_URL_END})", _plainly
    yield r"(<?[A-Za-z0-9][^\s\"<>|(){}]*@(?:[^\s\"<>|(){}.]+\.)*[^\s\"<>|(){}.]+>?)", _plainly
    yield rf"(@[A-Za-z_][A-Za-z0-9_]*|#{LETTER}+)", _plainly
    yield r"(\d{1,2}[-/]\d{1,2}[-/]\d{2,4})", _plainly
    yield f"({_NUMBER})", _plainly
    yield r"((?:\d{1,4}[- ])?\d{1,4}(?:\\?/|⁄)\d{1,4})", _unbroken
    for phone in _PHONE:
        yield f"({phone})", _unbroken


def _words() -> Iterator[tuple[str, Callable[[str], str]]]:
    yield f"({_WORD})", _plainly
    yield rf"((?:{ALPHANUMERIC_UNMARKED}+\.)+{_any_case(_FILE_ENDINGS)})(?=[\s.,!?])", _plainly
    yield f"({ALPHANUMERIC_UNMARKED}+)", _plainly
    for hyphenated in _HYPHENATED:
        yield f"({hyphenated})", _plainly
    dotted = (_WORD, f"{ALPHANUMERIC_UNMARKED}+", *_HYPHENATED, _ELIDED_WORD, _CAPITALS)
    for word in dotted:
        yield rf"({word}\.)[,;:、]", _plainly
    followers = f"(?:{'|'.join(SENTENCE_STARTS)})[ \\n]|(?:{_TAG})[ \\n]"
    yield rf"([A-Za-z])\.[ \n]+(?:{followers})", _plainly
    yield f"({_ELIDED_WORD})", _plainly
    hyphens = "(?:-[A-Za-z]+){0,2}"
    yield rf"({_ASCII}+{hyphens}(?:\\?/{_ASCII}+{hyphens}){{1,2}})", _plainly
    yield f"({_CAPITALS})", _plainly
    yield r"([CcFf]#|[Cc]\+\+)", _plainly
    yield r"([A-Z]*\$|#)", _plainly


def _abbreviations() -> Iterator[tuple[str, Callable[[str], str]]]:
    final = _any_case(SENTENCE_FINAL_ABBREVIATIONS)
    capital = "|".join(f"{each[0]}(?i:{each[1:]})" for each in CAPITAL_ABBREVIATIONS)
    yield rf"({final}\.)[\s\S][\s\S]", _plainly
    yield rf"((?:{final}|{_any_case(ABBREVIATIONS)}|{capital})\.)", _plainly
    yield rf"({_any_case(ABBREVIATIONS_OF_NUMBERS)}\.)\s?\d", _plainly
    yield r"((?:[A-Za-z](?:\.[A-Za-z])*|(?:[Pp][Hh]|[Ee][Dd])\.[Dd])\.)", _plainly


def _punctuation() -> Iterator[tuple[str, Callable[[str], str]]]:
    yield "(&(?:(?i:amp|lt|gt|quot|nbsp|apos)|ndash|mdash);)", _listed
    yield r"(&#\d+;)", _plainly
    for smiley in _SMILEYS:
        yield f"({smiley})", _unbroken
    yield r"(-(?i:[lr][rsc]b)-)", _plainly
    yield r"(\.{3,5}|\.(?: \.){2,3})", lambda _: "..."
    yield f"(--+|[{DASHES}])", _dash
    yield r"([?!]+|\*+|_+|<<|>>|@+|#{2,})", _plainly
    yield r"([\s\S])", _listed


def _rules() -> Iterator[tuple[str, Callable[[str], str]]]:
    yield f"({_TAG})", _unbroken
    yield from _contractions()
    yield f"({_any_case(list(SPLIT_WORDS))})", _split_word
    yield from _names_and_numbers()
    yield from _words()
    yield from _abbreviations()
    yield from _punctuation()


RULES = tuple(Rule(re.compile(pattern), written) for pattern, written in _rules())
