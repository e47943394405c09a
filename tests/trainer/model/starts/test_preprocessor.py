import json
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import ModelError
from trainer.model.model import CLIP_MEAN, CLIP_STD
from trainer.model.starts.preprocessor import check_preprocessor, crop_of_preprocessor

USUAL = {
    "do_resize": True,
    "do_rescale": True,
    "rescale_factor": 0.00392156862745098,
    "do_normalize": True,
    "size": {"height": 28, "width": 28},
    "resample": 3,
    "image_mean": list(CLIP_MEAN),
    "image_std": list(CLIP_STD),
}


def write(folder: Path, found: Any) -> Path:
    (folder / "preprocessor_config.json").write_text(json.dumps(found))
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"size": 28, "do_normalize": None},
        {"image_mean": [0.4815, 0.4578, 0.4082]},
        {"do_center_crop": False, "crop_size": 99},
        {"do_center_crop": True, "size": {"shortest_edge": 28}, "crop_size": 28},
        {"do_convert_rgb": False},
    ],
)
def test_settings_that_give_the_same_pixels_are_taken(tmp_path: Path, changes: Any) -> None:
    check_preprocessor(write(tmp_path, USUAL | changes), 28)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image_mean", [0.5, 0.5, 0.5]),
        ("image_std", [0.5, 0.5, 0.5]),
        ("image_std", 0.5),
        ("image_mean", ["a", "b", "c"]),
        ("do_normalize", False),
        ("do_rescale", False),
        ("do_resize", False),
        ("rescale_factor", 1.0),
        ("size", {"height": 56, "width": 56}),
        ("size", {"shortest_edge": 56}),
        ("resample", 2),
    ],
)
def test_settings_that_give_other_pixels_are_refused_by_name(
    tmp_path: Path, key: str, value: Any
) -> None:
    folder = write(tmp_path, USUAL | {key: value})
    with pytest.raises(ModelError) as caught:
        check_preprocessor(folder, 28)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'preprocessor_config.json'} asks for {key} ")
    assert "correct the keys or remove the file" in message


def test_a_crop_that_is_smaller_than_the_model_takes_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, USUAL | {"do_center_crop": True, "crop_size": 24})
    with pytest.raises(ModelError, match="asks for crop_size 24"):
        check_preprocessor(folder, 28)


def test_a_folder_without_settings_asks_for_nothing(tmp_path: Path) -> None:
    check_preprocessor(tmp_path, 28)
    check_preprocessor(write(tmp_path, []), 28)
    (tmp_path / "preprocessor_config.json").write_text("{")
    check_preprocessor(tmp_path, 28)


def test_a_cut_out_centre_is_reported_since_protocols_decide_about_it(tmp_path: Path) -> None:
    found = USUAL | {"do_center_crop": True, "size": {"shortest_edge": 28}}
    expected = ["do_center_crop true", 'size {"shortest_edge": 28}']
    assert crop_of_preprocessor(write(tmp_path, found), 28) == expected
    assert crop_of_preprocessor(write(tmp_path, USUAL), 28) == []
