from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from datagen.sample.questions import ask
from datagen.sample.scenes import make_scene, random_for
from datagen.sample.words import NUMBER_WORDS, SYNONYMS
from datagen.sample.writers.vqav2 import question_type

Read = Callable[[Path], Any]
QUESTIONS = "v2_OpenEnded_mscoco_{}_questions.json"
ANNOTATIONS = "v2_mscoco_{}_annotations.json"


@pytest.mark.parametrize("subset", ["train2014", "val2014"])
def test_each_question_has_its_annotation_and_its_image(
    sample: Path, read: Read, subset: str
) -> None:
    question_file = read(sample / "vqav2" / QUESTIONS.format(subset))
    annotated = read(sample / "vqav2" / ANNOTATIONS.format(subset))
    assert question_file["data_subtype"] == annotated["data_subtype"] == subset
    ids = [(row["question_id"], row["image_id"]) for row in question_file["questions"]]
    assert ids == [(row["question_id"], row["image_id"]) for row in annotated["annotations"]]
    assert len(set(ids)) == len(ids)
    for question_id, image_id in ids:
        assert question_id // 1000 == image_id
        name = f"COCO_{subset}_{image_id:012d}.jpg"
        assert (sample / "images/coco" / subset / name).is_file()


@pytest.mark.parametrize("subset", ["train2014", "val2014"])
def test_all_annotators_say_what_the_pixels_show(
    sample: Path, read: Read, see: Callable, answer: Callable, subset: str
) -> None:
    texts = read(sample / "vqav2" / QUESTIONS.format(subset))["questions"]
    rows = read(sample / "vqav2" / ANNOTATIONS.format(subset))["annotations"]
    for text, row in zip(texts, rows, strict=True):
        name = f"COCO_{subset}_{row['image_id']:012d}.jpg"
        truth = answer(see(Image.open(sample / "images/coco" / subset / name)), text["question"])
        truth = (
            truth or row["multiple_choice_answer"]
        )  # a printed word, which the witness cannot read
        assert row["multiple_choice_answer"] == truth, text
        given = Counter(one["answer"] for one in row["answers"])
        assert given.most_common(1)[0][0] == truth
        true = {truth, *SYNONYMS.get(truth, ()), truth.split()[-1]}
        if row["answer_type"] == "number":
            true = {truth, NUMBER_WORDS[int(truth)]}
        assert set(given) <= true
        assert [one["answer_id"] for one in row["answers"]] == list(range(1, 11))
        assert {one["answer_confidence"] for one in row["answers"]} <= {"yes", "maybe"}


def test_the_test_files_hide_the_answers_and_test_dev_is_a_part_of_test(
    sample: Path, read: Read
) -> None:
    dev, test = (
        {
            row["question_id"]
            for row in read(sample / "vqav2" / QUESTIONS.format(subset))["questions"]
        }
        for subset in ("test-dev2015", "test2015")
    )
    assert dev < test
    assert not list((sample / "vqav2").glob("*annotations*test*"))
    rows = read(sample / "vqav2" / QUESTIONS.format("test2015"))["questions"]
    for row in rows:
        name = f"COCO_test2015_{row['image_id']:012d}.jpg"
        assert (sample / "images/coco/test2015" / name).is_file()


def test_an_image_has_three_or_four_questions_of_differing_kinds(sample: Path, read: Read) -> None:
    rows = read(sample / "vqav2" / QUESTIONS.format("train2014"))["questions"]
    assert set(Counter(row["image_id"] for row in rows).values()) == {3, 4}


def test_question_types_are_the_first_words_of_the_questions() -> None:
    for index in range(50):
        for question in ask(make_scene(0, "types", index), random_for(index)):
            assert question.text.lower().startswith(question_type(question.text))
    assert question_type("Name a shape.") == "none of the above"


def test_rows_have_the_official_keys_in_the_official_order(
    sample: Path, real: Path, read: Read
) -> None:
    for name, key in ((QUESTIONS, "questions"), (ANNOTATIONS, "annotations")):
        ours, theirs = (
            read(folder / "vqav2" / name.format("train2014")) for folder in (sample, real)
        )
        assert set(theirs) <= set(ours)
        assert set(ours) - set(theirs) <= {"license"}  # the header of the real rows is cut
        assert list(ours[key][0]) == list(theirs[key][0])
    assert list(ours[key][0]["answers"][0]) == list(theirs[key][0]["answers"][0])


def test_question_types_are_official(sample: Path, real: Path, read: Read) -> None:
    ours, theirs = (
        {
            row["question_type"]
            for row in read(folder / "vqav2" / ANNOTATIONS.format("train2014"))["annotations"]
        }
        for folder in (sample, real)
    )
    assert ours <= theirs
