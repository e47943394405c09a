"""`visinstruct ocr` with a stand-in reader: results, rejections, resume, and what cannot be used."""

import io
import json
import os
import sys
from io import StringIO
from pathlib import Path

import fsspec
import pytest
from PIL import Image
from rich.console import Console

from datagen.errors import OutputError, RawDataError
from datagen.files import locked_file
from pipelines.build.beam_options import beam_options
from pipelines.ocr import run as ocr_run
from pipelines.ocr.reader import OcrOptions
from pipelines.ocr.run import read_words


class Shades:
    """Reads the shade of the first pixel as a word; counts what it read."""

    read_so_far = 0

    def __init__(self, options):
        self.options = options

    def read(self, pixels):
        type(self).read_so_far += 1
        shade = int(pixels[0, 0, 0])
        if shade == 13:
            raise RuntimeError("session failed:\n  code 3")
        return [f"shade {shade}", "", f"of {self.options.min_side}"] if shade else []


class Stops(Shades):
    """Is interrupted at the fortieth image."""

    def read(self, pixels):
        if type(self).read_so_far == 40:
            raise KeyboardInterrupt
        return super().read(pixels)


@pytest.fixture(autouse=True)
def nothing_read_yet():
    Shades.read_so_far = Stops.read_so_far = 0


@pytest.fixture
def folder(tmp_path):
    """Makes a folder of images of these shades, named by their number."""

    def folder(*shades, name="images"):
        for number, shade in enumerate(shades):
            path = tmp_path / name / f"{number % 3}" / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 10), (shade, 0, 0)).save(path)
        return tmp_path / name

    return folder


def read(folder, out, reader=Shades, **options):
    return read_words(
        *(str(folder), str(out), OcrOptions(), beam_options([], [])),
        make_reader=reader,
        console=Console(file=StringIO()),
        **options,
    )


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_image_is_a_line_in_the_order_of_the_paths(folder, tmp_path):
    out = tmp_path / "ocr_tokens.jsonl"
    report = read(folder(5, 0, 7, 9), out)
    assert rows(out) == [
        {"image_id": "0/000.png", "ocr_tokens": ["shade 5", "of 736"]},
        {"image_id": "0/003.png", "ocr_tokens": ["shade 9", "of 736"]},
        {"image_id": "1/001.png", "ocr_tokens": []},
        {"image_id": "2/002.png", "ocr_tokens": ["shade 7", "of 736"]},
    ]
    assert (report.num_read, report.num_without_words, report.rejected.total()) == (4, 1, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "ocr_tokens.jsonl"]


def test_images_that_cannot_be_read_are_rejected_with_the_reason(folder, tmp_path):
    images = folder(1, 2, 3, 13)
    (images / "0/000.png").write_bytes(b"<html>")
    Image.linear_gradient("L").save(images / "1/cut.jpg")
    os.truncate(images / "1/cut.jpg", 1_000)
    (images / "empty.JPG").write_bytes(b"")
    (images / "002.gif").write_bytes(b"GIF89a")
    (images / "notes.txt").write_text("no image by its name")
    os.symlink("/nowhere/at.jpg", images / "dead.jpg")
    os.mkfifo(images / "pipe.jpg")
    out = tmp_path / "tokens.jsonl"
    report = read(images, out, naming="stem")
    assert [row["image_id"] for row in rows(out)] == ["001"]
    rejected = {row["image"]: row for row in rows(tmp_path / "tokens.rejected.jsonl")}
    assert {name: row["reason"] for name, row in rejected.items()} == {
        "0/000.png": "media_unreadable",
        "0/003.png": "reading_failed",
        "1/cut.jpg": "media_truncated",
        "002.gif": "media_unreadable",
        "2/002.png": "duplicate_id",
        "dead.jpg": "media_missing",
        "empty.JPG": "media_empty",
        "pipe.jpg": "media_unreadable",
    }
    assert rejected["0/003.png"]["message"].endswith("RuntimeError: session failed: code 3")
    assert report.num_others == 1
    assert report.rejected_fraction == 8 / 9


def test_a_name_that_is_not_utf8_is_rejected(folder, tmp_path):
    images = folder(1)
    os.rename(images / "0/000.png", os.fsencode(images) + b"/\xff.png")
    (images / "a.png").write_bytes(png(3))
    report = read(images, tmp_path / "tokens.jsonl")
    assert report.rejected == {"invalid_encoding": 1}
    assert report.num_read == 1


def png(shade):
    data = io.BytesIO()
    Image.new("RGB", (9, 9), (shade, 0, 0)).save(data, "PNG")
    return data.getvalue()


def test_a_folder_that_is_linked_into_itself_is_read_once(folder, tmp_path):
    images = folder(1, 2)
    os.symlink(images, images / "again")
    assert read(images, tmp_path / "tokens.jsonl").num_read == 2


def test_what_was_stopped_resumes_and_ends_with_the_same_file(folder, tmp_path):
    images = folder(*range(14, 94))
    whole, out = tmp_path / "whole.jsonl", tmp_path / "tokens.jsonl"
    read(images, whole)
    with pytest.raises(KeyboardInterrupt):
        read(images, out, Stops)
    assert not out.exists()
    Shades.read_so_far = 0
    report = read(images, out)
    assert 0 < Shades.read_so_far < 80, "parts that were finished are not read again"
    assert report.num_read == 80
    assert out.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "tokens.jsonl.reading").exists()


def test_an_image_that_changed_while_it_was_stopped_is_read_again(folder, tmp_path):
    images, out = folder(*range(14, 94)), tmp_path / "tokens.jsonl"
    with pytest.raises(KeyboardInterrupt):
        read(images, out, Stops)
    (images / "0/000.png").write_bytes(png(200))
    read(images, out)
    assert rows(out)[0]["ocr_tokens"][0] == "shade 200"


def test_images_that_are_held_are_kept_as_they_are_and_new_ones_added(folder, tmp_path):
    out = tmp_path / "tokens.jsonl"
    held = b'{"image_id": "elsewhere", "ocr_tokens": ["x"], "note": 1}\n'
    out.write_bytes(held + b'{"image_id": "0/000.png", "ocr_tokens": ["by hand"]}\n\n')
    report = read(folder(5, 6), out)
    assert (report.num_held, report.num_read) == (1, 1)
    assert [row["ocr_tokens"][0] for row in rows(out)] == ["x", "by hand", "shade 6"]
    read(folder(5, 6), out, again=True)
    assert out.read_bytes().startswith(held)
    assert [row["ocr_tokens"][0] for row in rows(out)] == ["x", "shade 5", "shade 6"]


def test_rejected_images_are_tried_again_and_their_list_goes(folder, tmp_path):
    images, out = folder(5, 13), tmp_path / "tokens.jsonl"
    read(images, out)
    (images / "1/001.png").write_bytes(png(6))
    Shades.read_so_far = 0
    read(images, out)
    assert Shades.read_so_far == 1
    assert len(rows(out)) == 2
    assert not (tmp_path / "tokens.rejected.jsonl").exists()


def test_a_folder_without_images_or_without_a_name_is_refused(tmp_path):
    with pytest.raises(RawDataError, match="no such folder of images"):
        read(tmp_path / "nothing", tmp_path / "out.jsonl")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(RawDataError, match="has no image among"):
        read(tmp_path, tmp_path / "out.jsonl")


def test_an_output_that_is_something_else_is_refused(folder, tmp_path):
    images, out = folder(5), tmp_path / "tokens.jsonl"
    with pytest.raises(OutputError, match="is a folder; --out is the file of tokens"):
        read(images, images)
    out.write_text('{"image_id": "a"}\nnot json\n')
    with pytest.raises(RawDataError, match=r"tokens\.jsonl, line 2, is no row of tokens"):
        read(images, out)
    out.write_text("")
    Path(f"{out}.reading").mkdir(exist_ok=True)
    with (
        locked_file(f"{out}.reading/lock"),
        pytest.raises(OutputError, match="another process is writing"),
    ):
        read(images, out)


def test_images_and_output_in_a_store_make_the_same_file(folder, tmp_path):
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    images, out = folder(5, 0, 7, 13), tmp_path / "tokens.jsonl"
    read(images, out)
    for path in images.rglob("*.png"):
        memory.pipe_file(f"/data/images/{path.relative_to(images)}", path.read_bytes())
    for _ in range(2):
        report = read("memory://data/images", "memory://data/tokens.jsonl")
        assert memory.cat_file("/data/tokens.jsonl") == out.read_bytes()
    assert (report.num_held, report.rejected.total()) == (3, 1)
    outputs = {name for name in memory.store if "/images/" not in name}
    assert outputs == {"/data/tokens.jsonl", "/data/tokens.rejected.jsonl"}
    memory.store.clear()


def test_own_data_join_the_tokens(folder, run, tmp_path):
    images = folder(5, 7)
    read(images, tmp_path / "ocr_tokens.jsonl")
    lines = [{"image": name, "q": "Which shade?", "a": "5"} for name in ("0/000.png", "1/001.png")]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ntask: document_vqa\nfiles: rows.jsonl\nlicence: mit\nimages: {root: images}\n"
        "join: {file: ocr_tokens.jsonl, by: {left: image, right: image_id}, name: ocr}\n"
        "columns: {image: image, question: q, answers: a, ocr_tokens: ocr.ocr_tokens}\n"
    )
    outcome = run("build", "--source", tmp_path / "mine.yaml", "--out", tmp_path / "out")
    assert outcome.status == 0, outcome.err
    shown = run("show", tmp_path / "out", "--rows", 2)
    assert "shade 5" in shown.out
    assert "shade 7" in shown.out


def test_the_command_without_its_extra_names_it(refused, folder, monkeypatch):
    find_spec = ocr_run.importlib.util.find_spec
    monkeypatch.setattr(
        ocr_run.importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "rapidocr" else find_spec(name, *rest),
    )
    message = refused("ocr", folder(5))
    assert "ocr needs the package rapidocr" in message
    assert "pip install 'visinstruct[ocr]'" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give FOLDER, or --raw DIR"),
        (("x", "--raw", "y"), "give FOLDER, or --raw DIR"),
        (("x", "--min-side", "3"), "--min-side 3 is less than 32"),
        (("x", "--min-score", "2"), "--min-score 2.0 is not between"),
        (("x", "--workers", "0"), "--workers 0 is less than 1"),
        (("x", "--min-sid", "3"), "unknown option --min-sid, did you mean '--min-side'?"),
    ],
)
def test_what_cannot_be_used_is_refused(refused, arguments, message):
    assert message in refused("ocr", *arguments)


KILLED = """
import sys, time
from pipelines.build.beam_options import beam_options
from pipelines.ocr.reader import OcrOptions
from pipelines.ocr.run import read_words

class Slow:
    def __init__(self, options): pass
    def read(self, pixels):
        time.sleep(0.004)
        return [str(pixels[0, 0, 0])]

read_words(sys.argv[1], sys.argv[2], OcrOptions(), beam_options([], []), make_reader=Slow, workers=1)
"""


@pytest.mark.slow
def test_a_killed_run_resumes(folder, tmp_path):
    import subprocess
    import time

    images, out = folder(*range(14, 214)), tmp_path / "tokens.jsonl"
    parts = tmp_path / "tokens.jsonl.reading/parts"
    command = [sys.executable, "-c", KILLED, str(images), str(out)]
    for kills in (3, 7):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and len(list(parts.glob("*.json"))) < kills:
                time.sleep(0.002)
            process.kill()
        assert not out.exists()
    done = sum(int(path.name.split(".")[1]) for path in parts.glob("*.json"))
    read(images, out)
    assert Shades.read_so_far == 200 - done
    assert len(rows(out)) == 200
