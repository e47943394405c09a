"""`make demo`: what it prints fits on three screens."""

import pytest

from pipelines import demo
from pipelines.cli.main import main

SCREEN = 50


def test_what_precedes_the_training_fits_on_a_screen_and_a_half(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "NUM_SCENES", "12")
    before = [step for step in demo.steps(tmp_path) if step[0] not in ("train", "evaluate")]
    assert [step[0] for step in before] == ["sample", "build", "mixture", "show", "explain"]
    for step in before:
        assert main(step) == 0
    printed = "".join(capsys.readouterr())
    assert 20 < len(printed.splitlines()) < SCREEN * 1.5
    for source in demo.SHOWN.split(","):
        assert f"\n{source}/train/" in printed


def test_a_step_that_fails_ends_the_demo_with_its_status(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "NUM_SCENES", "-1")
    assert demo.run(tmp_path) == 2
    assert capsys.readouterr().out.count("$ visinstruct") == 1


@pytest.fixture
def whole_demo(made_demo, tmp_path, capfd, monkeypatch):
    """The folder of a whole demo, and the lines that it printed on both streams."""
    if made_demo is not None:
        printed = made_demo.with_suffix(".log").read_text()
        return made_demo, printed[printed.index("$ visinstruct sample") :].splitlines()
    monkeypatch.setattr(demo, "NUM_SCENES", "60")
    assert demo.run(tmp_path) == 0
    out, err = capfd.readouterr()
    return tmp_path, [*err.splitlines(), *out.splitlines()]


@pytest.mark.slow
def test_all_of_it_fits_on_three_screens_and_ends_with_the_report(whole_demo):
    folder, lines = whole_demo
    assert 50 < len(lines) < 3 * SCREEN
    assert not [line for line in lines if "setuptools" in line or "Warning" in line]
    report = folder / "evaluation" / "report.html"
    assert lines[-1].startswith("report: ") and report.is_file()
    assert report.samefile(lines[-1].removeprefix("report: "))
