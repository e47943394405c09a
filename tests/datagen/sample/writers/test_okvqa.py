from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from datagen.sample.knowledge import FOODS, THINGS, ask_with_knowledge, plural
from datagen.sample.scenes import make_scene, random_for

Read = Callable[[Path], Any]
QUESTIONS = "OpenEnded_mscoco_{}_questions.json"
ANNOTATIONS = "mscoco_{}_annotations.json"


@pytest.mark.parametrize("subset", ["train2014", "val2014"])
def test_each_question_has_its_annotation_and_its_image(
    sample: Path, read: Read, subset: str
) -> None:
    questions = read(sample / "okvqa" / QUESTIONS.format(subset))["questions"]
    annotated = read(sample / "okvqa" / ANNOTATIONS.format(subset))["annotations"]
    ids = [(row["question_id"], row["image_id"]) for row in questions]
    assert ids == [(row["question_id"], row["image_id"]) for row in annotated]
    assert len(set(ids)) == len(ids)
    for _, image_id in ids:
        assert (sample / f"images/coco/{subset}/COCO_{subset}_{image_id:012d}.jpg").is_file()


def test_five_annotators_count_twice_and_some_write_the_plural(sample: Path, read: Read) -> None:
    plurals = 0
    for row in read(sample / "okvqa" / ANNOTATIONS.format("train2014"))["annotations"]:
        given = [(one["raw_answer"], one["answer"]) for one in row["answers"]]
        assert given[::2] == given[1::2]
        assert [one["answer_id"] for one in row["answers"]] == list(range(1, 11))
        assert {one["answer_confidence"] for one in row["answers"]} <= {"yes", "no"}
        plurals += sum(raw == plural(answer) != answer for raw, answer in given)
    assert plurals > 10


def test_answers_are_what_the_pixels_and_the_tables_say(
    sample: Path, read: Read, see: Callable
) -> None:
    checked = set()
    texts = read(sample / "okvqa" / QUESTIONS.format("train2014"))["questions"]
    rows = read(sample / "okvqa" / ANNOTATIONS.format("train2014"))["annotations"]
    corners = {"circle": {"0"}, "triangle": {"3"}, "square": {"4"}}
    for text, row in zip(texts, rows, strict=True):
        name = f"COCO_train2014_{row['image_id']:012d}.jpg"
        seen = see(Image.open(sample / "images/coco/train2014" / name))
        about = text["question"].rpartition(" the ")[2].removesuffix("?").removesuffix(" have")
        fitting = [thing for thing in seen if thing.fits(about)]
        if len(fitting) != 1 or row["question_type"] not in ("three", "five", "nine"):
            continue
        given = {one["answer"] for one in row["answers"]}
        tables = {
            "three": THINGS[fitting[0].shape],
            "five": FOODS[fitting[0].color],
            "nine": corners.get(fitting[0].shape, ()),
        }
        assert given <= set(tables[row["question_type"]]), text
        checked.add(row["question_type"])
    assert checked == {"three", "five", "nine"}


def test_no_question_names_what_it_asks_for_and_no_wrong_answer_is_true() -> None:
    for index in range(100):
        for question in ask_with_knowledge(make_scene(0, "x", index), random_for(index)):
            true = {question.answer, *question.synonyms}
            assert len(question.wrong) >= 3
            assert not true & set(question.wrong)
            assert not any(answer in question.text.lower() for answer in true - {"0"})


def test_rows_have_the_official_keys_in_the_official_order(
    sample: Path, real: Path, read: Read
) -> None:
    ours, theirs = (
        read(folder / "okvqa" / QUESTIONS.format("val2014")) for folder in (sample, real)
    )
    assert list(ours) == list(theirs)
    assert list(ours["questions"][0]) == list(theirs["questions"][0])
    assert list(ours["info"]) == list(theirs["info"])
