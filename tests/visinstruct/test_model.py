import io
import sys

import pytest
import torch
from PIL import Image

import visinstruct
from trainer.errors import DataError, EvaluationError


@pytest.fixture(scope="module")
def nano():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield visinstruct.load_model("nano", device="cpu")
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def record(built):
    return visinstruct.open_dataset(str(built / "data/instruct")).record("vqav2", "train", 0)


@pytest.fixture(scope="module")
def data(record):
    (image,) = record.images
    return image.bytes


def test_an_image_is_a_path_bytes_or_a_pillow_image(nano, record, data, tmp_path):
    path = tmp_path / "scene.jpg"
    path.write_bytes(data)
    answers = {
        nano.answer(image, record.instruction)
        for image in (path, str(path), data, Image.open(io.BytesIO(data)), [data])
    }
    assert len(answers) == 1 and answers != {""}


def test_beams_are_deterministic_and_lengths_are_kept(nano, record, data):
    assert nano.answer(data, record.instruction, beams=5) == nano.answer(
        data, record.instruction, beams=5
    )
    short = nano.answer(data, "Describe the image.", max_new_tokens=1)
    assert len(short.split()) <= 1


def test_candidates_are_ranked_by_log_likelihood(nano, record, data):
    written = nano.answer(data, record.instruction)
    candidates = ["a purple elephant", written]
    ranked = nano.rank(data, record.instruction, candidates)
    assert [each.text for each in ranked] == [written, "a purple elephant"]
    assert 0 > ranked[0].log_likelihood > ranked[1].log_likelihood
    with pytest.raises(EvaluationError, match="no candidates"):
        nano.rank(data, record.instruction, [])


def test_an_image_that_cannot_be_used_is_named(nano, tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*nowhere\.jpg"):
        nano.answer(tmp_path / "nowhere.jpg", "what is it?")
    with pytest.raises(DataError, match="cannot decode the image's bytes"):
        nano.answer(b"no image", "what is it?")
    with pytest.raises(DataError, match="no image was given"):
        nano.answer([], "what is it?")


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EvaluationError, match=r"pip install 'visinstruct\[train\]'"):
        visinstruct.load_model("nano")
