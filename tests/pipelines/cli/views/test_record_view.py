"""One record on a terminal."""

import io

import pytest
from rich.console import Console

from datagen.schema.record import Image, Record, Video
from pipelines.cli.views.record_view import record_view

MINIMAL = {
    "record_id": "vqav2/train/1",
    "source": "vqav2",
    "split": "train",
    "task": "vqa",
    "group_id": "coco:1",
    "template_id": "vqa.open.1",
    "instruction": "What colour is it?",
    "target": "red",
}


@pytest.fixture
def view():
    def view(**fields):
        console = Console(file=io.StringIO(), width=100)
        console.print(record_view(Record(**{**MINIMAL, **fields})))
        return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())

    return view


def test_a_record_shows_instruction_and_target(view):
    lines = [line.split(maxsplit=1) for line in view().splitlines() if line.strip()]
    assert lines == [
        ["vqav2/train/1"],
        ["template", "vqa.open.1"],
        ["instruction", "What colour is it?"],
        ["target", "red"],
    ]


def test_a_hidden_answer_is_not_an_empty_one(view):
    assert "target       (hidden)" in view(target=None)


def test_images_and_videos_are_shown_by_their_path(view):
    two = (Image("coco/train2014/a.jpg"), Image("coco/b.jpg", b"x" * 2_000))
    shown = view(images=two)
    assert "  image        coco/train2014/a.jpg\n" in shown
    assert "coco/b.jpg (2,000 bytes)" in shown
    assert "msvd/a.avi, frames at 0.50, 1.50 s" in view(video=Video("msvd/a.avi", (0.5, 1.5)))
    assert "frames at unknown s" in view(video=Video("msvd/a.avi"))


def test_references_and_candidates_are_shown_in_part(view):
    assert "references" not in view(references=("red",))
    assert "red | dark red" in view(references=("red", "dark red"))
    shown = view(candidates=tuple(f"answer {number}" for number in range(100)))
    assert "answer 0 | answer 1" in shown
    assert "answer 5" not in shown
    assert "100 in all" in shown


def test_nothing_in_a_record_is_markup(view):
    hostile = "[bold red]stop[/] [link=file:///etc/passwd]here[/link] :smile: [/nothing]"
    shown = view(instruction=hostile, target=hostile, record_id=hostile)
    assert shown.count("[bold red]stop[/] [link=file:///etc/passwd]here[/link]") == 3


def test_nothing_in_a_record_steers_the_terminal(view):
    hostile = "\x1b]0;title\x07 \x1b[2J\x9b31m\u2028\u202e right to left"
    shown = view(instruction=hostile, target=hostile, record_id=hostile, references=(hostile, "x"))
    assert shown.count(r"\x1b]0;title\x07 \x1b[2J\x9b31m\u2028\u202e right to left") == 4
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "a\xa0b" in view(instruction="a\xa0b")
