"""`visinstruct new-source`: its messages. The files that it writes are tested in `scaffold/test_new_source.py`."""

import pytest


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_written_is_reported_and_what_comes_next(run, here):
    outcome = run("new-source", "street_signs")
    assert outcome.status == 0
    assert outcome.out.splitlines() == [
        "wrote visinstruct_street_signs/pyproject.toml",
        "wrote visinstruct_street_signs/README.md",
        "wrote visinstruct_street_signs/visinstruct_street_signs.py",
        "wrote visinstruct_street_signs/tests/test_visinstruct_street_signs.py",
        "Its test passes already: cd visinstruct_street_signs && pip install -e . && python -m pytest",
        "Next: docs/how_to/add_a_source.md",
    ]
    assert sum(path.is_file() for path in here.rglob("*")) == 4


def test_the_folder_can_be_chosen(run, here):
    assert run("new-source", "street_signs", "--out", "deep/signs").status == 0
    assert (here / "deep/signs/pyproject.toml").is_file()


def test_a_dry_run_writes_nothing(run, here):
    outcome = run("new-source", "street_signs", "--dry-run")
    assert (outcome.status, list(here.iterdir())) == (0, [])
    assert outcome.out.count("would write visinstruct_street_signs/") == 4


def test_it_is_held_out_only_if_that_is_requested(run, here):
    assert run("new-source", "signs", "--held-out").status == 0
    assert run("new-source", "numbers").status == 0
    cards = [
        (here / f"visinstruct_{name}/visinstruct_{name}.py").read_text()
        for name in ("signs", "numbers")
    ]
    assert ["held_in=False," in card for card in cards] == [True, False]


def test_a_source_or_a_folder_that_is_there_is_refused(run, refused, here):
    assert "vqav2 is a source already" in refused("new-source", "vqav2")
    assert run("new-source", "street_signs").status == 0
    for more in ([], ["--dry-run"]):
        message = refused("new-source", "street_signs", *more)
        assert "visinstruct_street_signs is there already: nothing was written" in message


def test_the_task_can_be_chosen(run, here):
    assert run("new-source", "signs", "--task", "multiple_choice").status == 0
    text = (here / "visinstruct_signs/visinstruct_signs.py").read_text()
    assert 'task="multiple_choice",' in text
