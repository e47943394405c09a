from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

Read = Callable[[Path], Any]
FILE = "gqa/{}_balanced_questions.json"


def test_answers_are_what_the_pixels_show(
    sample: Path, read: Read, see: Callable, answer: Callable
) -> None:
    kinds = set()
    for split in ("train", "val", "testdev"):
        for row in read(sample / FILE.format(split)).values():
            seen = see(Image.open(sample / "images/gqa" / f"{row['imageId']}.jpg"))
            assert answer(seen, row["question"]) == row["answer"], row
            kinds.add((row["types"]["structural"], row["types"]["semantic"]))
    assert len(kinds) == 5


def test_splits_share_no_image_and_no_id(sample: Path, read: Read) -> None:
    images: set[str] = set()
    ids: set[str] = set()
    for split in ("train", "val", "testdev", "test"):
        rows = read(sample / FILE.format(split))
        own = {row["imageId"] for row in rows.values()}
        assert own
        assert not own & images
        assert not rows.keys() & ids
        images |= own
        ids |= rows.keys()
    assert any(name.startswith("n") for name in images)


def test_the_test_file_tells_no_answer(sample: Path, read: Read) -> None:
    for row in read(sample / FILE.format("test")).values():
        assert set(row) == {"question", "imageId", "isBalanced"}


def test_rows_have_the_official_keys_in_the_official_order(
    sample: Path, real: Path, read: Read
) -> None:
    [theirs] = read(real / "gqa/questions_one_row.json").values()
    for ours in read(sample / FILE.format("val")).values():
        assert list(ours) == list(theirs)
        for name in ("groups", "annotations", "types"):
            assert list(ours[name]) == list(theirs[name])
