"""Builds of toy surveys. They need the package installed: `pip install -e .`."""

import pytest
from datagen.dataset import open_dataset
from PIL import Image
from pipelines.cli.main import main

STOP = "      17north/0017.png          octagon     STOP"
GIVE_WAY = "      18north/0018.png          triangle"


@pytest.fixture
def build(tmp_path):
    """Build from lines of the training split; returns the dataset."""

    def build(*lines):
        raw, out = tmp_path / "raw", tmp_path / "out"
        folder = raw / "street_signs"
        (folder / "north").mkdir(parents=True)
        for name in ("0017.png", "0018.png"):
            Image.new("RGB", (8, 8)).save(folder / "north" / name)
        (folder / "train.txt").write_text("".join(f"{line}\n" for line in lines))
        places = ["--raw", str(raw), "--out", str(out), "--sources", "street_signs"]
        assert (
            main(["build", *places, "--max-reject-fraction", "1", "--max-missing-fraction", "1"])
            == 0
        )
        return open_dataset(str(out))

    return build


def test_a_line_becomes_a_record_for_its_text_and_one_for_its_shape(build):
    records = {each.record_id: each for each in build(STOP).records("street_signs", "train")}
    assert records.keys() == {"street_signs/train/17/text", "street_signs/train/17/shape"}
    text = records["street_signs/train/17/text"]
    assert [image.path for image in text.images] == ["street_signs/north/0017.png"]
    assert (text.question, text.target) == ("What does the sign say?", "STOP")
    assert records["street_signs/train/17/shape"].target == "octagon"


def test_a_sign_without_text_is_asked_for_its_shape_alone(build):
    (record,) = build(GIVE_WAY).records("street_signs", "train")
    assert (record.question, record.target) == ("What shape is the sign?", "triangle")


def test_remarks_and_blank_lines_are_no_signs(build):
    split = build("* survey of May", "", STOP).manifest.splits["street_signs"]["train"]
    assert (split.written, split.filtered, split.rejected) == (2, {"remark": 1}, {})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (STOP[:30], "malformed_row"),
        (STOP.replace("17north", "xxnorth"), "malformed_row"),
        (STOP.replace("17.png", "99.png"), "media_missing"),
    ],
)
def test_a_bad_line_is_rejected_alone(build, line, reason):
    split = build(GIVE_WAY, line).manifest.splits["street_signs"]["train"]
    assert split.written == 1
    assert set(split.rejected) == {reason}
