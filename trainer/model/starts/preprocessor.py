"""The image processor's settings that come with a checkpoint, compared with how images are prepared here.

Here: the whole image becomes a square of the model's side, bicubic, from bytes to 0..1, normalised with CLIP's mean
and standard deviation. That holds for all checkpoints of the paper's kind. Cutting out the centre is a rule of
an evaluation's protocol (`image`), so a checkpoint that asks for it is reported, not refused.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainer.errors import ModelError
from trainer.model.model import CLIP_MEAN, CLIP_STD

FILES = (("preprocessor_config.json", None), ("processor_config.json", "image_processor"))
"""File of the settings and the key in it; newer transformers write the second."""
BICUBIC = 3
"""Pillow's number of the filter."""
TOLERANCE = 1e-4


def check_preprocessor(folder: Path, side: int) -> None:
    """Check that a folder's image processor gives the model the pixels that it gets here.

    A missing or unreadable file, and a key that is missing or null, ask for nothing.

    Raises:
        ModelError: it asks for other pixels; names the file and each such key.
    """
    name, found = _read(folder)
    expected: Mapping[str, Callable[[Any], bool]] = {
        "do_resize": lambda value: value is True,
        "do_rescale": lambda value: value is True,
        "rescale_factor": lambda value: _close([value], [1 / 255]),
        "do_normalize": lambda value: value is True,
        "size": lambda value: value in (*_squares(side), {"shortest_edge": side}),
        "crop_size": lambda value: (
            value in _squares(side) or found.get("do_center_crop") is not True
        ),
        "resample": lambda value: value == BICUBIC,
        "image_mean": lambda value: _close(value, CLIP_MEAN),
        "image_std": lambda value: _close(value, CLIP_STD),
    }
    wrong = [
        f"{key} {json.dumps(found[key])}"
        for key, fits in expected.items()
        if found.get(key) is not None and not fits(found[key])
    ]
    if wrong:
        raise ModelError(
            f"{folder / name} asks for {', '.join(wrong)}; here images become {side} x {side} pixels by bicubic "
            "resampling, from 0 to 1, normalised with CLIP's mean and standard deviation, and the model would see "
            "other pixels than it was trained on. If it was trained on these, correct the keys or remove the file; "
            "other preparations are not supported"
        )


def crop_of_preprocessor(folder: Path, side: int) -> list[str]:
    """Return the settings by which a folder's image processor cuts out the centre, which a protocol decides."""
    _, found = _read(folder)
    asked = [("do_center_crop", True), ("size", {"shortest_edge": side})]
    return [f"{key} {json.dumps(value)}" for key, value in asked if found.get(key) == value]


def _squares(side: int) -> list[Any]:
    return [side, {"height": side, "width": side}]


def _close(found: Any, expected: Any) -> bool:
    """Return True for equal numbers, as many; files round them."""
    if not isinstance(found, list) or len(found) != len(expected):
        return False
    return all(
        isinstance(a, int | float) and math.isclose(a, b, abs_tol=TOLERANCE, rel_tol=TOLERANCE)
        for a, b in zip(found, expected, strict=True)
    )


def _read(folder: Path) -> tuple[str, Mapping[str, Any]]:
    """Return the file with a folder's settings, and these."""
    for name, key in FILES:
        try:
            found = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if key is not None and isinstance(found, dict):
            found = found.get(key)
        if isinstance(found, dict):
            return name, found
    return FILES[0][0], {}
