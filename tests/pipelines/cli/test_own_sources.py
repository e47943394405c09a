"""Source files on a command line, and what a check says of the build that follows."""

import pytest

from datagen.sources.declared.load import SourceFileError
from pipelines.cli.main import main
from pipelines.cli.own_sources import read_source_files

TEXT = "name: toy\ntask: vqa\nfiles: a.csv\ncolumns: {image: image, question: question, answers: answer}\n"


def test_a_metric_that_there_is_not_is_refused_with_the_nearest(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(TEXT + "evaluation: {metric: exact_mach}\n")
    with pytest.raises(
        SourceFileError, match=r"no metric 'exact_mach', did you mean 'exact_match'"
    ):
        read_source_files([str(file)])
    file.write_text(TEXT + "evaluation: {metric: exact_match}\n")
    assert [each.name for each in read_source_files([str(file)])] == ["toy"]


def test_a_check_says_at_which_limits_a_build_stops(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("image,question,answer\nlost.png,What?,x\nlost.png,,y\n")
    (tmp_path / "a.yaml").write_text(TEXT)
    assert main(["source", "check", str(tmp_path / "a.yaml")]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "a build stops here: 1 of 2 lack their image, more than max_missing_images 0.05" in shown
    assert "a build stops here: 1 of 2 are rejected for other reasons, more than 0.05" in shown


def test_a_style_that_no_template_has_is_refused_also_where_no_record_is_shown(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("image,question,answer\nlost.png,What?,x\n")
    (tmp_path / "a.yaml").write_text(TEXT + "templates: vqa.shrt_answer\n")
    assert main(["source", "check", "--show", "0", str(tmp_path / "a.yaml")]) == 2
    assert "'vqa.shrt_answer'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("action", "option", "other"), [("draft", "--name", "--show"), ("check", "--show", "--name")]
)
def test_each_action_has_help_and_options_of_its_own(action, option, other, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["source", action, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert option in shown and other not in shown
    assert main(["source", action, other, "1"]) == 2
    assert f"unknown argument {other}" in capsys.readouterr().err
