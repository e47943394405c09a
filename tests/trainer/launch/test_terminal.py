import os
import sys

from trainer.launch.terminal import log


def test_a_reader_that_is_gone_ends_nothing(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    broken = os.fdopen(writing, "w", buffering=1)
    monkeypatch.setattr(sys, "stderr", broken)
    log("nobody hears this")
    os.close(writing)


def test_a_sentence_goes_to_stderr(capsys):
    log("a sentence")
    assert capsys.readouterr().err == "a sentence\n"
