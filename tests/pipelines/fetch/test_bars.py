"""Bars on a terminal, lines elsewhere."""

import io

import pytest
from rich.console import Console

from datagen.schema.download import Download
from pipelines.fetch.bars import Bars
from pipelines.fetch.fetch import Outcome, State

DOWNLOAD = Download(
    folder="vsr",
    name="a.json",
    url="https://a.example/a.json",
    brings=("a.json",),
    read_in=("test",),
)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def log() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def terminal() -> Console:
    return Console(file=io.StringIO(), width=200, force_terminal=True)


def test_off_a_terminal_a_download_has_a_line_at_its_start_and_its_end(log: Console) -> None:
    with Bars(log) as bars:
        bars.start(DOWNLOAD).at(500, 1_000)
        bars.end(Outcome(DOWNLOAD, State.COMPLETE, "sha256", is_new=True))
    assert shown(log).splitlines() == [
        "vsr/a.json: https://a.example/a.json",
        "vsr/a.json: complete",
    ]


def test_a_long_download_has_a_line_now_and_then(
    log: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with Bars(log) as bars:
        row = bars.start(DOWNLOAD)
        for now in (10, 31, 40, 62):
            row.at(int(now * 1e6), 100_000_000)
    assert shown(log).splitlines()[1:] == [
        "vsr/a.json: 31 of 100 MB",
        "vsr/a.json: 62 of 100 MB",
    ]


def test_on_a_terminal_a_download_has_a_bar(
    terminal: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.fetch.bars._REDRAW_SECONDS", 0)
    with Bars(terminal) as bars:
        row = bars.start(DOWNLOAD)
        row.at(500, 1_000)
        row.say("the connection stalled")
        bars._bars.refresh()
    text = shown(terminal)
    assert "500/1,000 bytes" in text or "0.5/1.0 kB" in text
    assert "vsr/a.json: the connection stalled" in text


def test_failures_are_shown_and_what_servers_say_cannot_control_the_terminal(log: Console) -> None:
    with Bars(log) as bars:
        bars.end(Outcome(DOWNLOAD, State.FAILED, message="\x1b[2J[red]gone"))
        bars.end(Outcome(DOWNLOAD, State.FOUND))
    assert shown(log).splitlines() == ["vsr/a.json: \\x1b[2J[red]gone"]
