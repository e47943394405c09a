"""Tokens as pycocoevalcap's tokenizer gives them; what is expected here is what its jar answered."""

# ruff: noqa: RUF001
import json
from pathlib import Path

import pytest

from trainer.evaluation.metrics import ptb
from trainer.evaluation.metrics.ptb import breaks_lines, tokenize, tokenize_lines

ASSETS = Path(__file__).resolve().parents[3] / "assets" / "metrics_cases"
CASES = ASSETS / "ptb_tokenizer.jsonl"


def test_every_official_case_agrees():
    rows = [json.loads(line) for line in CASES.read_text().splitlines()]
    assert rows
    for row in rows:
        assert tokenize(row["inputs"]) == row["expected"], row


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", ""),
        (" .,; ! ? -- ...", ""),
        ("no!? yes!!", "no !? yes !!"),
        ("It's a man's hat, isn't it?", "it 's a man 's hat is n't it"),
        ("It’s a man’s “hat” – DON’T", "it 's a man 's hat do n't"),
        ("I'd've shouldn't've they're we'll", "i 'd 've should n't 've they 're we 'll"),
        ("don`t 5n't", "do n`t 5n t"),
        ("cannot gonna Gimme cannot's", "can not gon na gim me cannot 's"),
        ("'tis 'twas '90s '90 1990's", "'t is 't was '90s '90 1990 's"),
        ("rock'n'roll rock-n-roll", "rock 'n' roll rock-n-roll"),
        ("o'clock O'Neill d'art y'all ma'am", "o'clock o'neill d'art y' all ma'am"),
        ("boys' toys 'quoted words' x'y", "boys toys quoted words x y"),
        ("(a cat) [b] {c}", "-lrb- a cat -rrb- -lsb- b -rsb- -lcb- c -rcb-"),
        ("a dog.The cat a.b", "a dog.the cat a.b"),
        ("a table. a chair", "a table a chair"),
        ("bat., 9., cat.;", "bat. 9. cat."),
        ("Mr. Smith, St. Louis vs. etc. Inc.", "mr. smith st. louis vs. etc. inc."),
        ("Ill. ill. Mass. mass.", "ill. ill mass. mass"),
        ("No. 5 no.5 fig. 2 no. five I said no.", "no. 5 no. 5 fig. 2 no five i said no"),
        ("U.S. U.S.A. p.m. 5p.m. Ph.D. e.g.", "u.s. u.s.a. p.m. 5p m. ph.d. e.g."),
        ("plan B. the plan B. The plan B.", "plan b. the plan b the plan b."),
        ("50% $5.00 US$5 #5 #tag @home C# C++", "50 % $ 5.00 us$ 5 # 5 #tag @home c# c++"),
        ("€5 £5 5¢ ½ 1½ 50°F x²", "$ 5 # 5 5 cents 1/2 1 1/2 50 ° f x ²"),
        ("1 1/2 cups 24/7 1/2/3/4", "1\u00a01/2 cups 24/7 1/2/3 / 4"),
        ("(555) 123-4567 555 123 4567", "-lrb-555-rrb-\u00a0123-4567 555\u00a0123\u00a04567"),
        ("10:30am 1,000.50 -5 5-10 5--10 6'2\"", "10:30 am 1,000.50 -5 5-10 5 10 6 2"),
        ("snow-covered 5-year-old T-shirt F-16 a-", "snow-covered 5-year-old t-shirt f-16 a"),
        ("black/white w/o w/ a&b R&D a_b", "black/white w/o w / a & b r&d a_b"),
        ("aa bb . . . cc.. dd.... ee.....f", "aa bb cc dd ee f"),
        (":) :-( ;D 8) :)a", ":-rrb- :--lrb- ;d 8 -rrb- -rrb- a"),
        ("<b>bold</b> <a b> < 5 <person>", "<b> bold </b> <a\u00a0b> < 5 <person>"),
        ("&amp; a&lt;b it&apos;s &nbsp; &quot;", "& a < b it 's"),
        ("see www.x.com, http://x.y/z. a@b.com", "see www.x.com http://x.y/z a@b.com"),
        ("café Zürich 中文 字 e\u0301a", "café zürich 中文 字 e\u0301a"),
        ("dog🐶 🐶 a\x00b ﷽", "dog a b"),
    ],
)
def test_tokens_are_those_of_the_jar(text, tokens):
    assert tokenize(text) == tokens


@pytest.mark.parametrize(
    "break_", ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"]
)
def test_what_ends_a_line_is_a_blank(break_):
    assert tokenize(f"a dog{break_}runs.{break_}") == "a dog runs"
    assert breaks_lines(f"a dog{break_}runs")


def test_other_blanks_end_no_line():
    assert not breaks_lines("a dog\truns\u00a0fast")
    assert tokenize("a dog\truns\u00a0fast") == "a dog runs fast"


def test_a_rule_may_read_past_a_blank_whatever_was_tokenised_before():
    assert tokenize("1 cup") == "1 cup"
    assert tokenize("1/2 cup") == "1/2 cup"
    assert tokenize("1 1/2 cup") == "1\u00a01/2 cup"


@pytest.mark.parametrize(
    ("lines", "tokens"),
    [
        (["plan b.", "The plan"], ["plan b", "the plan"]),
        (["plan b.", "the plan"], ["plan b.", "the plan"]),
        (["plan b.", "", "The plan"], ["plan b", "", "the plan"]),
        (["plan b.", "A", "dog"], ["plan b", "a", "dog"]),
        (["plan b.", "A"], ["plan b.", "a"]),
        (["plan b.", "<b> dog"], ["plan b", "<b> dog"]),
        (["I said no.", "5 dogs"], ["i said no.", "5 dogs"]),
        (["I said no.", "", "5 dogs"], ["i said no", "", "5 dogs"]),
        (["the U.S.", "The plan", "1", "1/2"], ["the u.s.", "the plan", "1", "1/2"]),
        ([], []),
    ],
)
def test_how_the_next_line_begins_matters_as_to_the_jar(lines, tokens):
    assert tokenize_lines(lines) == tokens


def test_words_are_remembered_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(ptb, "_MAX_CACHED", 3)
    texts = [f"it's word{number}, isn't it" for number in range(10)]
    expected = [f"it 's word{number} is n't it" for number in range(10)]
    assert [tokenize(text) for text in texts] == expected
    assert len(ptb._tokens_of) <= 3


def test_tokenising_tokens_changes_nothing_in_plain_captions():
    text = "a man 's dog does n't run on the snow-covered street"
    assert tokenize(text) == text


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a ---- b", "a b"),
        ("a ----- b", "a ----- b"),
        ("a ------ b", "a ------ b"),
        ("a \U00010000 b", "a b"),
        ("a “” b", "a ``'' b"),
        ("cap’n crunch", "cap’n crunch"),
    ],
)
def test_dashes_quotes_and_rare_letters_are_those_of_the_official_tokenizer(text, tokens):
    assert tokenize(text) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("c'mon", "c'mon"),
        ("c’mon", "c 'm on"),
        ("s’mores", "s 'm ores"),
        ("li’l dog", "li l dog"),
        ("five o`clock", "five o`clock"),
        ("five o’clock", "five o’clock"),
        ("o&apos;clock", "o&apos;clock"),
        ("'till then", "'till then"),
        ("'til then", "'til then"),
    ],
)
def test_listed_words_with_apostrophes_of_each_kind(text, tokens):
    """As the tokenizer of pycocoevalcap writes them."""
    assert tokenize(text) == tokens
