"""Progress of a build: bars on a terminal, a line a stage elsewhere."""

import io
from threading import Event

import pytest
from rich.console import Console
from rich.progress import Progress

from pipelines.build import progress
from pipelines.build.progress import Part, Reporter, _poll
from pipelines.console import messages, output


@pytest.fixture
def elsewhere():
    return Console(file=io.StringIO(), force_terminal=False, width=80, soft_wrap=True)


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=100)


@pytest.fixture
def parts(tmp_path):
    """Three parts of a hundred rows in each of two steps."""
    return {
        step: [Part(str(tmp_path / f"{step}-{number}"), 100) for number in range(3)]
        for step in ("render", "write")
    }


def test_off_a_terminal_a_stage_is_one_line_when_it_ends(elsewhere):
    reporter = Reporter(elsewhere)
    with reporter.stage("index", "18 splits"):
        assert elsewhere.file.getvalue() == ""
    assert elsewhere.file.getvalue() == f"index: 18 splits, {reporter.seconds['index']:.1f} s\n"


def test_off_a_terminal_work_is_one_line_when_it_ends(elsewhere, parts):
    with Reporter(elsewhere).watch("records", parts, 1_234):
        assert elsewhere.file.getvalue() == ""
    (line,) = elsewhere.file.getvalue().splitlines()
    assert line.startswith("records: 1,234 rows, 0.0 s, ")
    assert line.endswith(" rows/s")


class Waits:
    """Stands for the event that ends the lines: it is waited for so many times."""

    def __init__(self, times):
        self.left = times

    def wait(self, seconds):
        assert seconds == progress.LINE_SECONDS
        self.left -= 1
        return self.left < 0


def test_off_a_terminal_a_running_stage_prints_a_line_every_half_minute(elsewhere, parts):
    open(parts["render"][0].report, "w").close()
    counted = progress._Counted(parts)
    progress._print_lines(elsewhere, lambda: str(counted), Waits(2))
    assert (
        elsewhere.file.getvalue().splitlines()
        == ["render 100 of 300 rows, write 0 of 300 rows"] * 2
    )


def test_the_lines_of_a_stage_end_with_it(elsewhere, parts, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    reporter = Reporter(elsewhere)
    with reporter.watch("records", parts, 600):
        while " s so far" not in elsewhere.file.getvalue():
            pass
    assert "records: render 0 of 300 rows, write 0 of 300 rows, 0 s so far" in (
        elsewhere.file.getvalue()
    )
    with reporter.stage("index", "1 split"):
        while "index: 1 split, 0 s so far" not in elsewhere.file.getvalue():
            pass
    before = elsewhere.file.getvalue()
    assert before.endswith(elsewhere.file.getvalue())


def test_a_stage_that_fails_says_nothing(elsewhere, parts):
    reporter = Reporter(elsewhere)
    with pytest.raises(KeyError), reporter.stage("index", "1 split"):
        raise KeyError
    with pytest.raises(KeyError), reporter.watch("records", parts, 600):
        raise KeyError
    assert elsewhere.file.getvalue() == ""
    assert reporter.seconds == {}


def test_work_without_rows_is_no_division_by_nothing(elsewhere):
    with Reporter(elsewhere).watch("records", {}, 0):
        pass
    assert elsewhere.file.getvalue().startswith("records: 0 rows")


class Steps:
    """Stands for the event that ends the bars: makes a report each time it is waited for."""

    def __init__(self, parts, seen):
        self.waiting = [part for step in parts.values() for part in step]
        self.seen = seen

    def wait(self, seconds):
        self.seen()
        if not self.waiting:
            return True
        open(self.waiting.pop(0).report, "w").close()
        return False


def test_bars_follow_the_reports_of_each_step(terminal, parts):
    states = []
    with Progress(console=terminal, transient=True) as bars:

        def seen():
            states.append([(task.description, task.completed) for task in bars.tasks])

        _poll(bars, parts, Steps(parts, seen))
    assert states[0] == [("render", 0), ("write", 0)]
    assert states[1] == [("render", 100), ("write", 0)]
    assert states[3] == [("render", 300), ("write", 0)]
    assert states[-1] == [("render", 300), ("write", 300)]


def test_bars_count_what_an_earlier_build_has_done(terminal, parts):
    for part in parts["render"]:
        open(part.report, "w").close()
    first = []
    with Progress(console=terminal, transient=True) as bars:

        def seen():
            first.append([(task.completed, task.fields["rate"]) for task in bars.tasks])

        _poll(bars, {"render": parts["render"], "write": []}, Steps({"x": parts["write"]}, seen))
    assert first[1] == [(300, "0/s"), (0, "0/s")]


def test_on_a_terminal_bars_run_and_end(terminal, parts, monkeypatch):
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.001)
    reporter = Reporter(terminal)
    with reporter.watch("records", parts, 600):
        for step in parts.values():
            for part in step:
                open(part.report, "w").close()
    shown = terminal.file.getvalue()
    assert "render" in shown
    assert "write" in shown
    assert shown.splitlines()[-1].lstrip("\x1b[0123456789ABCDHJKhlm?;").startswith("records: 600")
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is back


def test_bars_end_when_the_work_fails(terminal, parts):
    with pytest.raises(KeyError), Reporter(terminal).watch("records", parts, 600):
        raise KeyError
    assert terminal.file.getvalue().count("\x1b[?25h") == 1  # the cursor is back


def test_on_a_terminal_a_stage_shows_what_it_does(terminal):
    with Reporter(terminal).stage("index", "18 splits"):
        pass
    assert "index: 18 splits" in terminal.file.getvalue()


def test_a_build_on_a_terminal_shows_bars(raw, tmp_path, terminal):
    from pipelines.build.beam_options import beam_options
    from pipelines.build.run import build
    from pipelines.cli.commands.build import make_options

    options = make_options(raw=str(raw), out=str(tmp_path / "out"), sources=("msvd_qa",))
    build(options, beam_options([], []), terminal)
    shown = terminal.file.getvalue()
    for word in ("index: 3 splits", "render", "write", "records: 36 rows", "finish"):
        assert word in shown


def test_reports_on_object_stores_are_not_watched(terminal):
    with Reporter(terminal).watch("records", {"render": [Part("gs://bucket/report", 1)]}, 1):
        pass
    assert "render" not in terminal.file.getvalue()


def test_lines_are_not_broken_in_files_and_pipes(capsys):
    long = "word " * 60
    output().print(long)
    messages().print(long)
    printed = capsys.readouterr()
    assert printed.out.strip() == printed.err.strip() == long.strip()


def test_units_of_work_are_counted_in_one_line_when_they_end(elsewhere):
    with Reporter(elsewhere).count("images", 9, "URLs", lambda: 4):
        assert elsewhere.file.getvalue() == ""
    (line,) = elsewhere.file.getvalue().splitlines()
    assert line.startswith("images: 4 URLs, 0.0 s, ")
    assert line.endswith("/s")


def test_on_a_terminal_units_of_work_move_a_bar(terminal, monkeypatch):
    counts = iter([3, 7])
    with Progress(console=terminal) as bars:
        done = Event()

        def ready():
            count = next(counts)
            if count == 7:
                done.set()
            return count

        monkeypatch.setattr(progress, "POLL_SECONDS", 0.0)
        progress._poll_count(bars, "images", 9, "URLs", ready, done)
        assert bars.tasks[0].completed == 7
