"""`visinstruct metric`: a metric against cases whose scores are known."""

import json

import pytest

from trainer.evaluation.metrics.table import METRICS

RIGHT = {"inputs": {"pred": "pan", "answers": ["pan", "pan", "pot"]}, "expected": 1.0}
WRONG = {
    "id": "odd",
    "inputs": {"pred": "pan\x1b[31m", "answers": ["pot"] * 200},
    "expected": 0.5,
    "source": "the official code",
}


@pytest.fixture
def cases(tmp_path):
    """Writes a file of cases."""

    def cases(*rows):
        path = tmp_path / "cases.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return cases


def test_cases_that_agree_are_counted(run, cases):
    path = cases(RIGHT, RIGHT)
    outcome = run("metric", "ivqa", "--cases", path)
    assert outcome.status == 0
    assert outcome.out == f"{path}: 2 of 2 cases agree (2 values)\n"


def test_the_first_that_do_not_agree_are_shown_short(run, cases):
    path = cases(RIGHT, WRONG, *[RIGHT, WRONG] * 6)
    outcome = run("metric", "ivqa", "--cases", path)
    assert outcome.status == 1
    assert "7 of 14 cases agree" in outcome.out
    assert f"{path}, line 2 (id odd): expected" in outcome.out
    assert "  expected  0.5\n  got       0.0\n" in outcome.out
    assert '  source    "the official code"' in outcome.out
    assert "and 2 more that do not agree" in outcome.out
    assert "\x1b" not in outcome.out
    assert max(map(len, outcome.out.splitlines())) < 250


def test_what_was_not_checked_is_told(run, cases):
    inputs = {"pred": "red", "gts": ["red"] * 10}
    path = cases({"inputs": inputs, "expected": {"official_2021": 100, "anls": 1}})
    outcome = run("metric", "vqa", "--cases", path)
    assert outcome.status == 0
    assert "not checked: anls of 1 case: unknown key" in outcome.out


def test_names_are_listed(run):
    outcome = run("metric")
    assert outcome.status == 0
    assert outcome.out == run("metric", "--list").out
    names = {line.split()[0] for line in outcome.out.splitlines()}
    assert set(METRICS) <= names
    assert "hatefulmemes_auroc" in outcome.out


def test_bad_input_is_refused(refused, cases, tmp_path):
    path = cases(RIGHT)
    assert "did you mean 'ivqa'" in refused("metric", "iqva", "--cases", path)
    assert "--cases FILE" in refused("metric", "ivqa")
    assert "NAME" in refused("metric", "--cases", path)
    assert "no such file" in refused("metric", "ivqa", "--cases", tmp_path / "none.jsonl")
    assert "no such folder" in refused("metric", "ivqa", "--cases", path, "--data", "nowhere")
    assert "line 1" in refused("metric", "vqa", "--cases", path)
    assert "nothing was checked" in refused("metric", "ivqa", "--cases", cases())
