"""Images of own data in a build: those that are no files of their own, and those that change."""

import base64
import io
import json
import os
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from datagen.dataset import open_dataset

LENIENT = ("--max-reject-fraction", "1", "--max-missing-fraction", "1")
CHARTS = """
name: charts
task: vqa
files: {train: train.parquet, val: val.jsonl}
images: {root: photos}
columns: {image: image, question: question, answers: answer}
"""


def png(red: int, size: tuple[int, int] = (12, 8)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (red, 0, 0)).save(file, "PNG")
    return file.getvalue()


def row(image: object, number: int) -> dict[str, object]:
    return {"image": image, "question": f"What is number {number}?", "answer": f"it is {number}"}


@pytest.fixture
def charts(tmp_path):
    """Rows with bytes, with base64 text and with a path."""
    folder = tmp_path / "charts"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "own.png").write_bytes(png(9))
    train = [
        row({"bytes": png(1), "path": "a.png"}, 1),
        row({"bytes": png(2), "path": "a.png"}, 2),
        row({"bytes": png(1), "path": "b.png"}, 3),
        row({"bytes": None, "path": "own.png"}, 4),
        row({"bytes": b"<html>", "path": "c.png"}, 5),
    ]
    pq.write_table(pa.Table.from_pylist(train), folder / "train.parquet")
    text = base64.b64encode(png(3)).decode()
    val = [row(text, 6), row(f"data:image/png;base64,{text}", 7)]
    (folder / "val.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in val))
    (folder / "charts.yaml").write_text(CHARTS)
    return folder / "charts.yaml"


@pytest.mark.parametrize("mode", ["reference", "embed"])
def test_images_without_a_file_are_in_the_records_in_every_mode(
    charts, tmp_path, run, records_of, mode
):
    out = tmp_path / "out"
    ended = run("build", "--source", charts, "--out", out, "--images", mode, *LENIENT)
    assert ended.status == 0, ended.err
    records = {record.question[-2]: record for record in records_of(out, "charts", "train")}
    assert records.keys() == set("1234")
    images = {number: record.images[0] for number, record in records.items()}
    assert images["1"].bytes == images["3"].bytes == png(1) and images["2"].bytes == png(2)
    assert images["1"].path == images["3"].path == "charts/a.png" != images["2"].path
    assert records["1"].group_id == records["3"].group_id == "charts:a.png"
    assert images["4"].path == "charts/own.png"
    assert images["4"].bytes == (png(9) if mode == "embed" else None)
    for record in records_of(out, "charts", "val"):
        assert record.images[0].bytes == png(3)
        assert "@" not in record.images[0].path
    train = open_dataset(str(out)).manifest.splits["charts"]["train"]
    assert train.rejected == {"media_unreadable": 1}
    again = run("build", "--source", charts, "--out", out, "--images", mode, *LENIENT)
    assert again.status == 0 and "is built already" in again.err


def test_equal_sources_give_equal_datasets(charts, tmp_path, run):
    trees = []
    for name, workers in (("a", 1), ("b", 2)):
        out = tmp_path / name
        arguments = ("--out", out, "--workers", workers, *LENIENT)
        assert run("build", "--source", charts, *arguments).status == 0
        files = sorted(path for path in out.rglob("*") if path.is_file())
        trees.append(
            {
                str(path.relative_to(out)): path.read_bytes()
                for path in files
                if path.name not in ("report.json", "media_states.parquet")
            }
        )
    assert trees[0] == trees[1]


def test_an_image_that_comes_later_is_taken_up(charts, tmp_path, run, records_of):
    folder, out = charts.parent, tmp_path / "out"
    (folder / "photos" / "own.png").rename(folder / "photos" / "own.gif")
    arguments = ("build", "--source", charts, "--out", out, *LENIENT)
    assert run(*arguments).status == 0
    assert open_dataset(str(out)).manifest.splits["charts"]["train"].rejected == {
        "media_unreadable": 1,
        "media_missing": 1,
    }
    again = run(*arguments)
    assert "is built already" in again.err
    (folder / "photos" / "own.gif").rename(folder / "photos" / "own.png")
    assert run(*arguments).status == 0
    assert len([*records_of(out, "charts", "train")]) == 4


BESIDE = """
name: beside
task: vqa
files: rows.jsonl
join: {file: answers.jsonl, by: id}
images: {root: photos, member: "{shard}.tar"}
columns: {image: image, question: question, answers: answers.answer, id: id}
"""


def write_tar(path, red: int) -> None:
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("x.png")
        info.size = len(png(red))
        tar.addfile(info, io.BytesIO(png(red)))


def test_joined_files_and_archives_that_change_are_noticed(tmp_path, run, records_of):
    folder, out = tmp_path / "beside", tmp_path / "out"
    (folder / "photos").mkdir(parents=True)
    asked = {"image": "x.png", "shard": "s1", "question": "What?", "id": 1}
    (folder / "rows.jsonl").write_text(json.dumps(asked))
    (folder / "answers.jsonl").write_text(json.dumps({"id": 1, "answer": "old"}))
    (folder / "beside.yaml").write_text(BESIDE)
    write_tar(folder / "photos" / "s1.tar", 1)

    def built() -> tuple[str, bytes]:
        ended = run("build", "--source", folder / "beside.yaml", "--out", out, *LENIENT)
        assert ended.status == 0, ended.err
        [record] = records_of(out, "beside", "train")
        return record.target, record.images[0].bytes

    assert built() == ("old", png(1))
    write_tar(folder / "photos" / "s1.tar", 2)
    os.utime(folder / "photos" / "s1.tar", (1, 1))
    assert built() == ("old", png(2))
    (folder / "answers.jsonl").write_text(json.dumps({"id": 1, "answer": "new"}))
    assert built() == ("new", png(2))


def test_a_folder_may_be_the_data_file(tmp_path, run, records_of):
    folder, out = tmp_path / "flowers", tmp_path / "out"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "1.png").write_bytes(png(1))
    metadata = json.dumps({"file_name": "1.png", "text": "a red flower"})
    (folder / "train" / "metadata.jsonl").write_text(metadata)
    (folder / "flowers.yaml").write_text(
        "name: flowers\npreset: imagefolder\nfiles: {train: train}\n"
    )
    arguments = ("build", "--source", folder / "flowers.yaml", "--out", out, *LENIENT)
    ended = run(*arguments)
    assert ended.status == 0, ended.err
    [record] = records_of(out, "flowers", "train")
    assert record.images[0].path == "flowers/train/1.png"
    (folder / "train" / "metadata.jsonl").write_text(metadata.replace("red", "blue"))
    assert run(*arguments).status == 0
    [record] = records_of(out, "flowers", "train")
    assert record.target == "a blue flower"
