"""The printed words of a scene as the Rosetta OCR files of TextVQA and TextCaps give them."""

from collections.abc import Sequence
from typing import Any

from datagen.sample.draw import SIDE, word_box
from datagen.sample.scenes import Word


def rosetta_row(image_id: str, words: Sequence[Word]) -> dict[str, Any]:
    """The words that were read in one picture; boxes are in shares of its sides."""
    return {
        "image_id": image_id,
        "ocr_tokens": [word.text for word in words],
        "ocr_info": [{"word": word.text, "bounding_box": _box(word)} for word in words],
    }


def _box(word: Word) -> dict[str, float]:
    left, top, right, bottom = (place / SIDE for place in word_box(word))
    return {
        "top_left_x": left,
        "top_left_y": top,
        "width": right - left,
        "height": bottom - top,
        "rotation": 0.0,
        "yaw": 0.0,
        "roll": 0.0,
        "pitch": 0.0,
    }
