from types import SimpleNamespace
from typing import Any

import pytest

from datagen.errors import RowRejectedError
from datagen.sources.shared.rosetta import ImageTokens, image_of, joined_tokens, usable_tokens


def context(*rows: Any) -> Any:
    return SimpleNamespace(found={"ocr": rows}, one=lambda name: rows[0])


def test_the_tokens_of_the_image_are_joined_without_blank_ones() -> None:
    assert joined_tokens(context(ImageTokens(["STOP", " ", "a\nb", ""]))) == ("STOP", "a b")


def test_without_tokens_there_are_none() -> None:
    assert joined_tokens(context()) is None
    assert joined_tokens(context(ImageTokens([]))) is None
    assert usable_tokens([" ", "\n"]) is None


def test_validation_images_lie_with_those_of_training() -> None:
    assert image_of("0a1b", "val") == ("openimages:0a1b", "textvqa/train_images/0a1b.jpg")
    assert image_of("0a1b", "test")[1] == "textvqa/test_images/0a1b.jpg"
    with pytest.raises(RowRejectedError):
        image_of(" ", "train")
