"""The optional extra: what is missing is reported, and lines that do not come back are noticed."""

import json
import sys
from pathlib import Path

import pytest

from trainer.errors import EvaluationError
from trainer.evaluation.metrics import ptb, pycoco

SHARED = Path(__file__).resolve().parents[4].parent / "shared"
REAL = SHARED / "real" / "coco_caption" / "coco_karpathy_val_gt.json"

needs_extra = pytest.mark.skipif(pycoco.unavailable() is not None, reason=f"{pycoco.unavailable()}")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a package with an empty jar on the path, and a `java` that is a shell script."""

    def put(script, jar=True):
        package = tmp_path / "packages" / "pycocoevalcap"
        (package / "tokenizer").mkdir(parents=True)
        (package / "__init__.py").touch()
        if jar:
            (package / pycoco.JAR).touch()
        programs = tmp_path / "bin"
        programs.mkdir()
        if script is not None:
            (programs / "java").write_text(f"#!/bin/sh\n{script}\n")
            (programs / "java").chmod(0o755)
        monkeypatch.setattr(sys, "path", [str(tmp_path / "packages"), *sys.path])
        monkeypatch.setenv("PATH", f"{programs}" if script is None else f"{programs}:/usr/bin:/bin")
        monkeypatch.delitem(sys.modules, "pycocoevalcap", raising=False)
        return package

    return put


LAST_ARGUMENT = 'for last in "$@"; do :; done'


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(pycoco, "find_spec", lambda name: None)
    assert "pip install 'visinstruct[captions]'" in pycoco.unavailable()
    with pytest.raises(EvaluationError, match="not installed"):
        pycoco.tokenize(["a dog"])


def test_without_java_it_says_so(install):
    install(None)
    assert "no java on the PATH" in pycoco.unavailable()


def test_without_the_jar_it_says_so(install):
    install("exit 0", jar=False)
    assert "has no tokenizer/stanford-corenlp" in pycoco.unavailable()


def test_captions_are_single_lines_and_come_back_in_order(install):
    package = install(f'{LAST_ARGUMENT}; cat "$last"')
    tokens = pycoco.tokenize(["a dog\x0cruns .", "", "b\u2028c\r\n-- -lrb- d", "..."])
    assert tokens == ["a dog runs", "", "b c -lrb- d", ""]
    assert [path.name for path in (package / "tokenizer").iterdir()] == [Path(pycoco.JAR).name]


def test_lines_that_got_lost_are_an_error(install):
    install(f'{LAST_ARGUMENT}; tail -n +2 "$last"')
    with pytest.raises(EvaluationError, match="2 lines for 3"):
        pycoco.tokenize(["a dog", "a cat"])


def test_lines_that_shifted_are_an_error(install):
    install(f'{LAST_ARGUMENT}; tail -n +2 "$last"; echo more')
    with pytest.raises(EvaluationError, match="other images"):
        pycoco.tokenize(["a dog", "a cat"])


def test_an_error_of_java_is_quoted(install):
    install("echo 'Error: no such class' >&2; exit 3")
    with pytest.raises(EvaluationError, match="ended with 3: Error: no such class"):
        pycoco.tokenize(["a dog"])


@needs_extra
def test_references_without_any_word_are_an_error():
    with pytest.raises(EvaluationError, match="no reference holds a word"):
        pycoco.score(["a"], [("",)])


@needs_extra
@pytest.mark.skipif(not REAL.is_file(), reason="real captions are not at hand")
def test_our_tokens_of_real_captions_are_those_of_the_jar():
    rows = json.loads(REAL.read_text())["annotations"]
    captions = [row["caption"] for row in rows if row["caption"].rstrip().endswith("t.")]
    assert len(captions) > 100
    assert list(map(ptb.tokenize, captions)) == pycoco.tokenize(captions)


@needs_extra
def test_a_locale_without_unicode_changes_nothing(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    assert pycoco.tokenize(["a café", "it\u2019s"]) == ["a café", "it 's"]
