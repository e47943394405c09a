"""A folder with protocols of one's own: what the docs show, through lint, list, evaluation and validation."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.cli.main import main
from templates.errors import TemplateSetError
from templates.library import load_protocols, load_templates
from trainer.errors import EvaluationError
from trainer.evaluation.run import run_evaluation
from trainer.evaluation.tasks.options import EvaluationOptions
from trainer.evaluation.validation import _tasks
from trainer.launch.distributed import World

DOCS = Path(__file__).parents[3] / "docs" / "how_to" / "evaluate.md"
Options = Callable[..., EvaluationOptions]


def documented() -> tuple[str, str]:
    """The name and the text of the file that the docs show."""
    section = DOCS.read_text().split("## Use a protocol of your own\n")[1]
    shown = re.search(r"`my_templates/(\S+)`:\n\n```yaml\n(.*?)```", section, re.DOTALL)
    assert shown is not None
    return shown[1], shown[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`my_templates` as the docs make it: one file, nothing beside it."""
    name, text = documented()
    path = tmp_path / "my_templates" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return tmp_path / "my_templates"


def test_the_docs_protocol_loads_beside_the_shipped_ones(folder: Path) -> None:
    shipped, protocols = load_protocols(None), load_protocols(str(folder))
    assert protocols.keys() == shipped.keys() | {"gqa.mine"}
    mine, base = protocols["gqa.mine"].evaluation, shipped["gqa"].evaluation
    assert mine is not None
    assert base is not None
    assert mine.decoding is not None
    assert (mine.decoding.beams, mine.decoding.max_new_tokens) == (1, 16)
    assert (mine.split, mine.metric) == (base.split, base.metric)
    assert mine.differences[0].startswith(
        "Not the default protocol of gqa: it changes prompt, decoding."
    )


def test_no_folder_and_a_shipped_sets_name_are_the_shipped_protocols() -> None:
    shipped = load_templates("instruct").protocols
    for directory in (None, "instruct", "plain"):
        assert {n: p.hash for n, p in load_protocols(directory).items()} == {
            name: protocol.hash for name, protocol in shipped.items()
        }


def test_task_files_beside_own_protocols_are_not_read(folder: Path) -> None:
    (folder / "vqa.yaml").write_text("task: 'vqa")
    assert "gqa.mine" in load_protocols(folder)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder.rename(folder.with_name("other")), "no such folder; give a folder"),
        (
            lambda folder: (folder / "protocol").rename(folder / "protocols"),
            r"no \*\.yaml files; write protocol/<source>\.<name>\.yaml",
        ),
        (
            lambda folder: (folder / "protocol/gqa.mine.yaml").rename(folder / "protocol/gqa.yml"),
            r"protocol: no \*\.yaml files in it; name its files <source>\.yaml",
        ),
        (
            lambda folder: (folder / "protocol/gqa.mine.yaml").write_text("extends: gpa"),
            "protocol/gqa.mine.yaml: extends: there is no protocol 'gpa' to extend; name one of",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_named(
    folder: Path, make: Callable[[Path], Any], message: str
) -> None:
    make(folder)
    with pytest.raises(TemplateSetError, match=message):
        load_protocols(folder)


def test_lint_checks_a_folder_of_protocols_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["templates", "lint", "--template-dir", str(folder)]
    assert main(arguments) == 0
    count = len(load_protocols(folder))
    assert capsys.readouterr().out == f"checked 0 templates and {count} protocols: 0 findings\n"
    path = folder / "protocol" / "gqa.mine.yaml"
    path.write_text(path.read_text().replace("beams: 1", "beams: true"))
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert out.startswith("protocol/gqa.mine.yaml: evaluation.decoding.beams: ")
    assert "1 findings" in out


def test_a_folder_of_protocols_alone_is_no_template_set_and_is_told_why(folder: Path) -> None:
    with pytest.raises(TemplateSetError, match="protocol/ alone is enough to evaluate, not to"):
        load_templates(folder)


@pytest.mark.parametrize("list_first", [True, False])
def test_own_protocols_are_listed_with_the_first_line_of_their_prompts(
    folder: Path, capsys: pytest.CaptureFixture[str], list_first: bool
) -> None:
    where = ["--template-dir", str(folder)]
    assert main(["evaluate", *(["--list", *where] if list_first else [*where, "--list"])]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(load_protocols(folder)) + 1
    [mine] = [line.rstrip() for line in lines if line.startswith("gqa.mine ")]
    assert mine.endswith("{{ question }} …")
    assert "Answer with one word" not in mine


def test_without_list_what_an_evaluation_needs_is_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", "--template-dir", str(folder)])
    assert stopped.value.code == 2
    expected = "the following arguments are required: --model, --data, --output"
    assert expected in capsys.readouterr().err


def test_a_list_of_a_folder_with_a_mistake_tells_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "protocol" / "gqa.mine.yaml").write_text("extends: gpa")
    assert main(["evaluate", "--list", "--template-dir", str(folder)]) == 2
    assert "there is no protocol 'gpa' to extend" in capsys.readouterr().err


def test_an_evaluation_asks_as_the_folder_says(
    model: Any, options: Options, world: World, folder: Path
) -> None:
    chosen = options(tasks=("gqa.mine",), template_dir=str(folder))
    results = run_evaluation(chosen, world)
    assert results is not None
    assert list(results.tasks) == ["gqa.mine"]
    samples = (chosen.output / "samples_gqa.mine.jsonl").read_text()
    assert "Answer with one word." in samples.splitlines()[0]


def test_a_mistake_in_the_folder_is_an_evaluations_mistake(
    options: Options, world: World, folder: Path
) -> None:
    (folder / "protocol" / "gqa.mine.yaml").write_text("extends: gpa")
    with pytest.raises(EvaluationError, match="there is no protocol 'gpa' to extend"):
        run_evaluation(options(tasks=("gqa.mine",), template_dir=str(folder)), world)
    stream = SimpleNamespace(options=SimpleNamespace(template_dir=str(folder)), manifest=None)
    with pytest.raises(EvaluationError, match="there is no protocol 'gpa' to extend"):
        _tasks(stream, SimpleNamespace(tasks=("vqav2",)))  # type: ignore[arg-type]
