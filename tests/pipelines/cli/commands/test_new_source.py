"""`visinstruct new-source`: its messages. The files that it writes are tested in `test_new_source.py` above."""

import pytest

from pipelines.cli.commands import new_source


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with the table of one source, in place of this one."""
    (tmp_path / "datagen/sources").mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "datagen/sources/__init__.py").write_text('SOURCE_IDS = (\n    "vqav2",\n)\n')
    monkeypatch.setattr(new_source, "ROOT", tmp_path)
    return tmp_path


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_written_is_reported_and_what_comes_next(run, checkout):
    outcome = run("new-source", "gqa")
    assert outcome.status == 0
    assert outcome.out.splitlines() == [
        "wrote datagen/sources/gqa.py",
        "wrote datagen/sample/writers/gqa.py",
        "wrote tests/datagen/sources/test_gqa.py",
        "wrote datagen/sources/__init__.py",
        "Its test passes already: python -m pytest tests/datagen/sources/test_gqa.py",
        "Next: docs/how_to/add_a_source.md",
    ]
    assert len(files(checkout)) == 5


def test_a_dry_run_writes_nothing(run, checkout):
    before = files(checkout)
    outcome = run("new-source", "gqa", "--dry-run")
    assert (outcome.status, files(checkout)) == (0, before)
    assert outcome.out.count("would write ") == 4


def test_a_name_that_is_not_known_is_refused_with_the_lines_to_add(run, checkout):
    before = files(checkout)
    outcome = run("new-source", "street_signs")
    assert (outcome.status, files(checkout)) == (2, before)
    assert '  templates/tasks.py, SOURCES: "street_signs": "Street Signs",\n' in outcome.out
    assert run("new-source", "street_signs", "--dry-run").status == 0


def test_it_is_held_out_only_if_that_is_requested(run, checkout):
    assert run("new-source", "gqa", "--held-out").status == 0
    assert run("new-source", "nocaps").status == 0
    cards = [(checkout / f"datagen/sources/{name}.py").read_text() for name in ("gqa", "nocaps")]
    assert ["held_in=False," in card for card in cards] == [True, False]


def test_a_source_that_is_there_is_refused(run, refused, checkout):
    assert "vqav2 is a source already" in refused("new-source", "vqav2")
    assert run("new-source", "gqa").status == 0
    assert "gqa is a source already" in refused("new-source", "gqa")


def test_the_task_can_be_chosen(run, checkout):
    assert run("new-source", "aokvqa", "--task", "multiple_choice").status == 0
    text = (checkout / "datagen/sources/aokvqa.py").read_text()
    assert 'task="multiple_choice",' in text
