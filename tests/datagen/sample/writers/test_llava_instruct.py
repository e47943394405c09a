from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Read = Callable[[Path], Any]
PARTS = ("conversation_58k", "detail_23k", "complex_reasoning_77k")


def rows_of(read: Read, sample: Path, part: str) -> list[dict[str, Any]]:
    return list(read(sample / f"llava_instruct/{part}.json"))


@pytest.mark.parametrize("part", PARTS)
def test_rows_are_written_as_the_official_ones(
    sample: Path, real: Path, read: Read, part: str
) -> None:
    theirs = read(real / "llava_instruct/llava_instruct_100.json")[0]
    for row in rows_of(read, sample, part):
        assert list(row) == list(theirs)
        assert row["image"] == f"{row['id']}.jpg"
        assert len(row["id"]) == len(theirs["id"])
        for number, message in enumerate(row["conversations"]):
            assert list(message) == list(theirs["conversations"][0])
            assert message["from"] == ("human", "gpt")[number % 2]
        assert (sample / "images/coco/train2017" / row["image"]).is_file()


def test_the_mark_of_the_image_is_before_or_after_the_first_question(
    sample: Path, read: Read
) -> None:
    places: Counter[str] = Counter()
    for part in PARTS:
        for row in rows_of(read, sample, part):
            first, *others = [message["value"] for message in row["conversations"]]
            places["before"] += first.startswith("<image>\n")
            places["after"] += first.endswith("\n<image>")
            assert first.count("<image>") == 1
            assert not any("<image>" in text for text in others)
    assert min(places.values()) > 20


def test_its_images_are_in_no_evaluation_split(sample: Path, read: Read) -> None:
    trained = {int(row["id"]) for part in PARTS for row in rows_of(read, sample, part)}
    images = read(sample / "coco_caption/dataset_coco.json")["images"]
    evaluated = {each["cocoid"] for each in images if each["split"] in ("val", "test")}
    hidden = {
        row["image_id"]
        for row in read(sample / "vqav2/v2_OpenEnded_mscoco_test2015_questions.json")["questions"]
    }
    assert trained
    assert not trained & (evaluated | hidden)


def test_short_answers_are_true_of_the_pixels(
    sample: Path, read: Read, see: Callable[..., Any], answer: Callable[..., Any]
) -> None:
    checked = 0
    for row in rows_of(read, sample, "conversation_58k"):
        with Image.open(sample / "images/coco/train2017" / row["image"]) as image:
            seen = see(image)
        texts = [message["value"] for message in row["conversations"]]
        for question, reply in zip(texts[::2], texts[1::2], strict=True):
            found = answer(seen, question.replace("<image>", "").strip())
            if found in ("yes", "no"):
                assert reply.lower().startswith(found)
                checked += 1
    assert checked > 20


def test_a_detailed_answer_names_every_object(
    sample: Path, read: Read, see: Callable[..., Any]
) -> None:
    for row in rows_of(read, sample, "detail_23k"):
        with Image.open(sample / "images/coco/train2017" / row["image"]) as image:
            seen = see(image)
        text = row["conversations"][1]["value"]
        for thing in seen:
            assert f"A {thing.color} {thing.shape} is " in text
        assert text.count(" of the picture; it is ") == len(seen)
