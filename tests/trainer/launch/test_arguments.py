"""Help that shows defaults, and options that were renamed."""

import argparse

import pytest

from trainer.launch.arguments import ShowDefaults, keep_old_name


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser("p", formatter_class=ShowDefaults)
    parser.add_argument("--rows", type=int, default=3, help="records to show")
    parser.add_argument("--out", required=True, help="new folder")
    parser.add_argument("--only", help="one source (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--root", action="append", default=[], help="a folder")
    return parser


def test_help_shows_each_default_once(parser):
    text = parser.format_help()
    assert "records to show (default: 3)" in text
    assert "one source (default: all)" in text
    assert text.count("default") == 2


def test_an_old_name_works_and_warns(parser, capsys):
    rows = next(a for a in parser._actions if a.dest == "rows")
    keep_old_name(parser, "--lines", rows)
    assert parser.parse_args(["--out", "x"]).rows == 3
    assert parser.parse_args(["--out", "x", "--lines", "5"]).rows == 5
    assert capsys.readouterr().err == (
        "visinstruct: --lines is deprecated and will be removed in the next release; use --rows\n"
    )
    assert "--lines" not in parser.format_help()


def test_an_old_name_of_a_required_option_satisfies_it(parser, capsys):
    out = next(a for a in parser._actions if a.dest == "out")
    keep_old_name(parser, "--output", out)
    assert parser.parse_args(["--output", "x"]).out == "x"
    assert "--output is deprecated" in capsys.readouterr().err


def test_a_required_option_is_missed_where_neither_name_is_given(parser, capsys):
    keep_old_name(parser, "--output", next(a for a in parser._actions if a.dest == "out"))
    with pytest.raises(SystemExit):
        parser.parse_args([])
    assert "required: --out" in capsys.readouterr().err


def test_an_old_name_of_a_flag_or_a_list_does_what_the_new_one_does(parser):
    for old, dest in (("--as-json", "json"), ("--folder", "root")):
        keep_old_name(parser, old, next(a for a in parser._actions if a.dest == dest))
    parsed = parser.parse_args(
        ["--out", "x", "--as-json", "--folder", "a", "--root", "b", "--folder", "c"]
    )
    assert parsed.json is True
    assert parsed.root == ["a", "b", "c"]
