"""Progress of an evaluation on a terminal and in a file."""

import sys

import pytest

from trainer.evaluation.progress import Progress


@pytest.fixture
def printed(capsys):
    """Return the output of two tasks, with stderr a terminal or not."""

    def printed(progress):
        for name in ("gqa", "vsr"):
            with progress.task(name, 10, 5):
                progress.add(2)
                progress.add(3)
        return capsys.readouterr().err

    return printed


def test_a_file_gets_a_line_a_task(printed):
    lines = printed(Progress(True)).splitlines()
    assert [line.partition(" in ")[0] for line in lines] == ["gqa: 10 records", "vsr: 10 records"]


def test_a_file_gets_lines_between_in_a_long_task(printed):
    lines = printed(Progress(True, every_seconds=0)).splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("gqa: 2 of 5, ")
    assert lines[1].startswith("gqa: 5 of 5, ")


def test_a_terminal_gets_a_bar(printed, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    shown = printed(Progress(True))
    assert "5/5" in shown
    assert "gqa: 10 records in " in shown


def test_other_processes_print_nothing(printed, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert printed(Progress(False)) == ""


def test_a_bar_ends_with_an_error(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with pytest.raises(KeyboardInterrupt), Progress(True).task("gqa", 10, 5):
        raise KeyboardInterrupt
    assert "records in" not in capsys.readouterr().err
