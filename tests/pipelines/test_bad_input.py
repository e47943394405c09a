"""Damaged and hostile input, through the whole command.

Either the build is refused with a sentence that names the file and what to do, or it ends well and
every row that could not be used is counted and logged. Never a traceback.
"""

import gzip
import io
import json
import shutil
import struct
import zlib
from collections import Counter

import numpy as np
import pytest
from msgspec import structs
from PIL import Image

QUESTIONS = "v2_OpenEnded_mscoco_{}_questions.json"
ANNOTATIONS = "v2_mscoco_{}_annotations.json"
ALL_ALLOWED = ("--max-reject-fraction", 1, "--max-missing-fraction", 1)

JSON_FILES = [
    ("coco_caption", "dataset_coco.json"),
    ("vqav2", QUESTIONS.format("train2014")),
    ("vqav2", ANNOTATIONS.format("train2014")),
    ("vqav2", QUESTIONS.format("test-dev2015")),
    ("scienceqa", "problems.json"),
    ("scienceqa", "pid_splits.json"),
    ("visdial", "visdial_1.0_train.json"),
    ("visdial", "visdial_1.0_val_dense_annotations.json"),
    ("visdial", "visdial_1.0_test.json"),
    ("msvd_qa", "train_qa.json"),
    ("msvd_qa", "test_qa.json"),
]
ALL_FILES = [*JSON_FILES, ("msvd_qa", "youtube_mapping.txt")]


@pytest.fixture
def reasons(verify):
    """Builds' rejections by (split, reason), after the manifest was verified."""

    def reasons(out, raw, source):
        splits = verify(out, raw).splits[source]
        return {
            (split, reason): number
            for split, entry in splits.items()
            for reason, number in entry.rejected.items()
        }

    return reasons


@pytest.fixture
def rejected():
    """The lines of a log of rejections."""

    def rejected(out, source):
        text = (out / f"rejected/{source}.jsonl").read_bytes().decode("ascii")
        return [json.loads(line) for line in text.splitlines()]

    return rejected


# --- files that cannot be used as a whole


DAMAGES = {
    "empty": lambda data: b"",
    "blank": lambda data: b" \n\n ",
    "half": lambda data: data[: len(data) // 2],
    "one byte": lambda data: data[:1],
    "utf-16": lambda data: data.decode().encode("utf-16"),
    "page": lambda data: b"<!DOCTYPE html><title>404 Not Found</title>",
    "cut-off gzip": lambda data: gzip.compress(data)[:-9],
    "pointer": lambda data: b"version https://git-lfs.github.com/spec/v1\n",
    "archive": lambda data: b"PK\x03\x04" + data,
    "zeros": lambda data: b"\x00" * 2_000,
    "null": lambda data: b"null",
    "answer": lambda data: b'{"message": "Not Found"}',
    "nested": lambda data: b"[" * 100_000,
    "kinds": lambda data: b'{"questions": 7, "annotations": 7, "images": {}, "data": []}',
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("source", "name"), ALL_FILES, ids=[name for _, name in ALL_FILES])
def test_a_file_that_cannot_be_used_is_named(source, name, damage, raw_copy, tmp_path, build):
    path = raw_copy / source / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    outcome = build(raw_copy, tmp_path / "out", "--sources", source)
    assert outcome.status == 2, outcome.out
    assert name in outcome.message
    assert len(outcome.message.splitlines()) <= 3
    assert not (tmp_path / "out").exists()


def test_byte_order_marks_change_nothing(raw_copy, tmp_path, build, built, verify, manifest_of):
    for source, name in ALL_FILES:
        path = raw_copy / source / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert build(raw_copy, tmp_path / "out").status == 0
    marked = verify(tmp_path / "out", raw_copy)
    assert _but_for_the_files(marked) == _but_for_the_files(manifest_of(built))


def _but_for_the_files(manifest):
    """The entries of all splits without the fingerprints of what they were made of."""
    return {
        source: {name: structs.replace(each, fingerprints={}) for name, each in splits.items()}
        for source, splits in manifest.splits.items()
    }


def test_all_unusable_files_are_reported_at_once(raw_copy, tmp_path, build):
    for subset in ("train2014", "val2014"):
        path = raw_copy / "vqav2" / QUESTIONS.format(subset)
        path.write_bytes(path.read_bytes()[:100])
    message = build(raw_copy, tmp_path / "out").message
    assert QUESTIONS.format("train2014") in message
    assert QUESTIONS.format("val2014") in message
    assert message.count("is cut off") == 2


def test_utf_16_is_reported_with_the_conversion(raw_copy, tmp_path, build):
    path = raw_copy / "msvd_qa/val_qa.json"
    path.write_bytes(path.read_text().encode("utf-16"))
    message = build(raw_copy, tmp_path / "out", "--sources", "msvd_qa").message
    assert f"{path} is UTF-16, not UTF-8; convert it (iconv -f UTF-16 -t UTF-8)" in message


def test_a_captions_file_under_the_questions_name_is_reported(raw_copy, tmp_path, build):
    path = raw_copy / "vqav2" / QUESTIONS.format("val2014")
    shutil.copy(raw_copy / "coco_caption/dataset_coco.json", path)
    message = build(raw_copy, tmp_path / "out", "--sources", "vqav2").message
    assert f"{path} has no member 'questions' but images, dataset" in message
    assert "is it another dataset's file?" in message


def test_another_subsets_annotations_are_reported(raw_copy, tmp_path, build):
    """Both files are sound, but no question has its annotation."""
    train, val = (raw_copy / "vqav2" / ANNOTATIONS.format(f"{s}2014") for s in ("train", "val"))
    shutil.copy(val, train)
    message = build(raw_copy, tmp_path / "out", "--sources", "vqav2").message
    assert "nothing was published" in message
    assert "no_annotation" in message
    assert "--max-reject-fraction" in message


def test_a_file_without_rows_is_reported(raw_copy, tmp_path, build):
    (raw_copy / "msvd_qa/val_qa.json").write_text("[]")
    message = build(raw_copy, tmp_path / "out", "--sources", "msvd_qa").message
    assert "msvd_qa/val_qa.json holds no rows; download it again" in message


def test_a_folder_in_place_of_a_file_is_reported(raw_copy, tmp_path, build):
    path = raw_copy / "msvd_qa/val_qa.json"
    path.unlink()
    path.mkdir()
    message = build(raw_copy, tmp_path / "out", "--sources", "msvd_qa").message
    assert f"{path} cannot be read: Is a directory" in message


def test_a_link_to_nowhere_is_an_absent_file(raw_copy, tmp_path, build, manifest_of):
    path = raw_copy / "msvd_qa/val_qa.json"
    path.unlink()
    path.symlink_to("nowhere")
    assert build(raw_copy, tmp_path / "out", "--sources", "msvd_qa").status == 0
    assert manifest_of(tmp_path / "out").missing == {"msvd_qa": {"val": ("val_qa.json",)}}


# --- files that are not there


def test_questions_without_their_annotations_are_not_built_but_reported(
    raw_copy, tmp_path, build, manifest_of
):
    (raw_copy / "vqav2" / ANNOTATIONS.format("train2014")).unlink()
    outcome = build(raw_copy, tmp_path / "out", "--sources", "vqav2")
    assert outcome.status == 0
    lacks = ANNOTATIONS.format("train2014")
    assert f"- vqav2: not built: train lacks {lacks}" in outcome.out
    assert manifest_of(tmp_path / "out").missing == {"vqav2": {"train": (lacks,)}}


def test_questions_alone_are_no_split(raw, tmp_path, build):
    alone = tmp_path / "raw"
    (alone / "vqav2").mkdir(parents=True)
    name = QUESTIONS.format("train2014")
    shutil.copy(raw / "vqav2" / name, alone / "vqav2" / name)
    message = build(alone, tmp_path / "out").message
    assert f"no source has a complete split in {alone}" in message
    assert f"`visinstruct sources --raw {alone}` lists the files that are expected" in message
    message = build(alone, tmp_path / "out", "--sources", "vqav2").message
    assert f"source 'vqav2' has no complete split in {alone}/vqav2" in message
    assert f"train lacks {ANNOTATIONS.format('train2014')}" in message


@pytest.mark.parametrize("place", ["nothing", "empty", "file"])
def test_a_raw_folder_without_files_is_reported(place, tmp_path, build):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    message = build(tmp_path / place, tmp_path / "out").message
    if place == "empty":
        assert f"no source has a complete split in {tmp_path / place}" in message
    else:
        assert f"--raw {tmp_path / place}: no such folder; `visinstruct sources` lists" in message


def test_a_split_that_a_source_has_not_is_reported(raw, tmp_path, build):
    only = ("--sources", "vqav2,vqav2_qg", "--splits", "test_dev")
    message = build(raw, tmp_path / "out", *only).message
    assert "source 'vqav2_qg' has none of the splits test_dev; it has train, val" in message


# --- rows


def test_questions_with_the_same_id_are_used_once(
    raw_copy, tmp_path, build, edit_json, reasons, rejected, records_of
):
    def repeat(document):
        first = document["questions"][0]
        document["questions"] += [{**first, "question": "Another one?"}, first]

    edit_json(raw_copy / "vqav2" / QUESTIONS.format("train2014"), repeat)
    out = tmp_path / "out"
    assert build(raw_copy, out, "--sources", "vqav2", *ALL_ALLOWED).status == 0
    assert reasons(out, raw_copy, "vqav2") == {("train", "duplicate_id"): 2}
    ids = Counter(record.record_id for record in records_of(out, "vqav2", "train"))
    assert set(ids.values()) == {1}
    assert "Another one?" not in {r.question for r in records_of(out, "vqav2", "train")}
    assert [line["row"] for line in rejected(out, "vqav2")] == [51, 52]


def test_annotations_with_the_same_id_are_used_once(raw_copy, tmp_path, build, edit_json, reasons):
    def repeat(document):
        document["annotations"].append(document["annotations"][0])

    edit_json(raw_copy / "vqav2" / ANNOTATIONS.format("train2014"), repeat)
    out = tmp_path / "out"
    assert build(raw_copy, out, "--sources", "vqav2").status == 0
    assert reasons(out, raw_copy, "vqav2") == {("train", "duplicate_id"): 1}


def test_questions_and_annotations_without_each_other_are_counted(
    raw_copy, tmp_path, build, edit_json, reasons, rejected
):
    def drop(document):
        del document["annotations"][0]

    def add(document):
        document["questions"] = document["questions"][:-1]

    edit_json(raw_copy / "vqav2" / ANNOTATIONS.format("train2014"), drop)
    edit_json(raw_copy / "vqav2" / QUESTIONS.format("train2014"), add)
    out = tmp_path / "out"
    assert build(raw_copy, out, "--sources", "vqav2").status == 0
    found = reasons(out, raw_copy, "vqav2")
    assert found == {("train", "no_annotation"): 1, ("train", "no_question"): 1}
    files = {line["reason"]: line["file"] for line in rejected(out, "vqav2")}
    assert files == {
        "no_annotation": QUESTIONS.format("train2014"),
        "no_question": ANNOTATIONS.format("train2014"),
    }


def test_a_latin_1_byte_costs_its_row_only(raw_copy, tmp_path, build, reasons, rejected):
    path = raw_copy / "vqav2" / QUESTIONS.format("train2014")
    data = path.read_bytes()
    first = data.index(b'"question": "') + len(b'"question": "')
    path.write_bytes(data[:first] + b"caf\xe9 " + data[first:])
    out = tmp_path / "out"
    assert build(raw_copy, out, "--sources", "vqav2").status == 0
    assert reasons(out, raw_copy, "vqav2") == {("train", "invalid_encoding"): 1}
    (line,) = rejected(out, "vqav2")
    assert line["row"] == 0
    assert "caf\\xe9 " in line["content"]


@pytest.mark.parametrize("value", [None, 7, [], {}, "", "   ", "\u2028", "x" * 100_000])
def test_a_question_that_is_none_is_counted(value, raw_copy, tmp_path, build, edit_json, reasons):
    def spoil(document):
        document["questions"][3]["question"] = value

    edit_json(raw_copy / "vqav2" / QUESTIONS.format("train2014"), spoil)
    out = tmp_path / "out"
    outcome = build(raw_copy, out, "--sources", "vqav2")
    assert outcome.status == 0, outcome.err
    assert sum(reasons(out, raw_copy, "vqav2").values()) == 1


CONTROL = "one\ttwo\r\nthree\x0bfour\x1b[31mfive\x00six\x85seven\u2028eight\u2029nine\x7f"


def test_control_characters_do_not_reach_the_records(
    raw_copy, tmp_path, build, edit_json, records_of, verify
):
    def question(document):
        for row in document["questions"]:
            row["question"] = CONTROL + row["question"]

    def answers(document):
        for row in document["annotations"]:
            for answer in row["answers"]:
                answer["answer"] = CONTROL + answer["answer"]

    def captions(document):
        for row in document["images"]:
            for sentence in row["sentences"]:
                sentence["raw"] = CONTROL + sentence["raw"]

    edit_json(raw_copy / "vqav2" / QUESTIONS.format("val2014"), question)
    edit_json(raw_copy / "vqav2" / ANNOTATIONS.format("val2014"), answers)
    edit_json(raw_copy / "coco_caption/dataset_coco.json", captions)
    out = tmp_path / "out"
    assert build(raw_copy, out, "--sources", "vqav2,vqav2_qg,coco_caption").status == 0
    verify(out, raw_copy)
    seen = 0
    for record in records_of(out):
        texts = [record.instruction, record.target, record.question, *(record.captions or ())]
        texts += [answer.text for answer in record.answers or ()]
        for text in filter(None, texts):
            assert len(text.splitlines()) == text.count("\n") + 1, text
            assert not any(ord(c) < 32 and c != "\n" for c in text), text
            assert "\x7f" not in text
            seen += "five six seven eight nine" in text
    assert seen > 50


def test_a_log_of_rejections_is_one_json_a_line_whatever_the_rows_hold(
    raw_copy, tmp_path, build, edit_json, verify, rejected
):
    def spoil(document):
        for row in document["questions"][:20]:
            row["image_id"] = CONTROL
            row["\x85\u2028"] = CONTROL

    edit_json(raw_copy / "vqav2" / QUESTIONS.format("train2014"), spoil)
    path = raw_copy / "vqav2" / QUESTIONS.format("train2014")
    path.write_text(json.dumps(json.loads(path.read_text()), ensure_ascii=False), encoding="utf-8")
    out = tmp_path / "out"
    assert build(raw_copy, out, "--sources", "vqav2", *ALL_ALLOWED).status == 0
    verify(out, raw_copy)
    lines = rejected(out, "vqav2")
    assert Counter(line["reason"] for line in lines)["malformed_row"] == 20
    assert all("\u2028" in line["content"] for line in lines[:20])


def test_a_row_that_is_rejected_is_reported_with_its_place(raw_copy, tmp_path, build, edit_json):
    def spoil(document):
        for row in document["questions"]:
            row["question"] = ""

    edit_json(raw_copy / "vqav2" / QUESTIONS.format("train2014"), spoil)
    message = build(raw_copy, tmp_path / "out", "--sources", "vqav2").message
    assert f"first empty_text: {QUESTIONS.format('train2014')}, row 0: question is empty" in message


def test_a_dataset_of_rejections_only_is_published_if_that_is_allowed(
    raw_copy, tmp_path, build, edit_json, verify, run
):
    edit_json(raw_copy / "msvd_qa/val_qa.json", lambda rows: [{"id": 1}, {}, 7])
    out = tmp_path / "out"
    only = ("--sources", "msvd_qa", "--splits", "val", "--max-reject-fraction", 1)
    outcome = build(raw_copy, out, *only)
    assert outcome.status == 0, outcome.err
    entry = verify(out, raw_copy).split("msvd_qa", "val")
    assert (entry.read, entry.written, entry.shards) == (3, 0, ())
    for command in (("show", out), ("templates", "preview", "--data", out), ("mixture", out)):
        assert run(*command).status == 2
        assert run(*command).message


# --- images


def png(width, height, *, depth=8, colour=2, data=b""):
    """A PNG by hand: its header may promise what its data do not hold."""

    def chunk(kind, body):
        body = kind + body
        return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def encoded(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def photograph(mode="RGB", size=(300, 200)):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def animation(kind):
    return encoded(photograph(), kind, save_all=True, append_images=[photograph("L")])


BAD_IMAGES = {
    "empty": (b"", "media_empty"),
    "truncated jpeg": (encoded(photograph(), "JPEG")[:5_000], "media_truncated"),
    "truncated png": (encoded(photograph(), "PNG")[:5_000], "media_truncated"),
    "text": (b"<html>404 Not Found</html>", "media_unreadable"),
    "zeros": (b"\0" * 10_000, "media_unreadable"),
    "signature": (b"\xff\xd8", "media_unreadable"),
    "too many pixels": (png(30_000, 30_000), "media_too_large"),
    "too many pixels, jpeg": (
        encoded(Image.new("L", (16_000, 16_000)), "JPEG", quality=1),
        "media_too_large",
    ),
    "no pixels": (png(0, 10), "media_unreadable"),
    "video": (b"\0\0\0\x18ftypmp42" + b"\0" * 500, "media_unreadable"),
}
GOOD_IMAGES = {
    "16 bit": encoded(Image.fromarray(np.full((40, 60), 60_000, dtype=np.uint16)), "PNG"),
    "cmyk": encoded(photograph("CMYK"), "JPEG"),
    "grey": encoded(photograph("L"), "JPEG"),
    "palette": encoded(photograph("P"), "PNG"),
    "transparent": encoded(photograph("RGBA"), "PNG"),
    "animated gif": animation("GIF"),
    "animated png": animation("PNG"),
    "animated webp": animation("WEBP"),
    "bmp": encoded(photograph(), "BMP"),
    "tiff": encoded(photograph(), "TIFF"),
    "one pixel": encoded(Image.new("RGB", (1, 1)), "PNG"),
    "long": encoded(photograph(size=(9_000, 3)), "JPEG"),
}


def a_image(raw):
    """An image of VQAv2's validation set and its number of questions there."""
    questions = json.loads((raw / "vqav2" / QUESTIONS.format("val2014")).read_text())["questions"]
    (image_id, number), *_ = Counter(row["image_id"] for row in questions).most_common()
    return raw / f"images/coco/val2014/COCO_val2014_{image_id:012d}.jpg", number


VAL = ("--sources", "vqav2", "--splits", "val")


@pytest.fixture
def replace_images():
    """Puts each of some contents in the place of another training image; returns which."""

    def replace_images(raw, contents):
        paths = sorted((raw / "images/coco/train2014").iterdir())
        assert len(paths) >= len(contents)
        replaced = {}
        for path, (name, data) in zip(paths, contents.items(), strict=False):
            path.write_bytes(data)
            replaced[f"coco/train2014/{path.name}"] = name
        return replaced

    return replace_images


TRAIN_IMAGES = ("--sources", "coco_caption", "--splits", "train")


@pytest.mark.parametrize("images", ["reference", "embed"])
def test_images_that_cannot_be_used_cost_their_records(
    images, raw_copy, tmp_path, build, verify, rejected, replace_images
):
    contents = {name: data for name, (data, _) in BAD_IMAGES.items()}
    replaced = replace_images(raw_copy, contents)
    out = tmp_path / "out"
    options = (*TRAIN_IMAGES, "--images", images)
    outcome = build(raw_copy, out, *options, "--max-reject-fraction", 1)
    assert outcome.status == 0, outcome.err
    found = {}
    for line in rejected(out, "coco_caption"):
        (path,) = (path for path in replaced if path in line["message"])
        found.setdefault(replaced[path], Counter())[line["reason"]] += 1
    assert found == {name: {reason: 5} for name, (_, reason) in BAD_IMAGES.items()}
    for reason, number in verify(out, raw_copy).split("coco_caption", "train").rejected.items():
        assert f"- coco_caption/train: {number} rejected, {reason}" in outcome.out
    message = build(raw_copy, tmp_path / "strict", *options).message
    assert "more than --max-reject-fraction 0.05; first media_" in message
    assert any(path in message for path in replaced)


def test_images_of_every_kind_are_embedded_as_plain_ones(
    raw_copy, tmp_path, build, verify, records_of, replace_images
):
    replaced = replace_images(raw_copy, GOOD_IMAGES)
    out = tmp_path / "out"
    options = (*TRAIN_IMAGES, "--images", "embed", "--image-max-side", 32)
    assert build(raw_copy, out, *options).status == 0
    assert verify(out, raw_copy).split("coco_caption", "train").rejected == {}
    seen = Counter()
    for record in records_of(out):
        (image,) = record.images
        if image.path in replaced:
            seen[replaced[image.path]] += 1
            decoded = Image.open(io.BytesIO(image.bytes))
            decoded.load()
            assert decoded.mode in ("RGB", "RGBA", "L", "P"), replaced[image.path]
            assert getattr(decoded, "n_frames", 1) == 1, replaced[image.path]
            assert max(decoded.size) <= 32
    assert seen == dict.fromkeys(GOOD_IMAGES, 5)


@pytest.mark.parametrize("damage", [b"", b"RIFF", b"\0" * 5_000, None])
@pytest.mark.parametrize("images", ["reference", "embed"])
def test_videos_that_cannot_be_used_cost_their_records(
    damage, images, raw_copy, tmp_path, build, verify, records_of
):
    rows = json.loads((raw_copy / "msvd_qa/val_qa.json").read_text())
    for path in (raw_copy / "videos/msvd").iterdir():
        path.write_bytes(path.read_bytes()[:3_000] if damage is None else damage)
    out = tmp_path / "out"
    only = ("--sources", "msvd_qa", "--splits", "val", "--images", images, *ALL_ALLOWED)
    outcome = build(raw_copy, out, *only)
    assert outcome.status == 0, outcome.err
    entry = verify(out, raw_copy).split("msvd_qa", "val")
    if damage is None and images == "reference":
        assert entry.read == len(rows)  # a header may still hold the duration
    else:
        assert entry.written == 0
        assert sum(entry.rejected.values()) == len(rows)


def test_absent_images_have_a_limit_of_their_own(
    raw_copy, tmp_path, build, reasons, records_of, verify
):
    path, number = a_image(raw_copy)
    path.unlink()
    message = build(raw_copy, tmp_path / "out", *VAL).message
    assert "nothing was published" in message
    assert f"{number} of 14 records lack their image or clip" in message
    for remedy in ("download them", "--image-root", "--missing-images keep", path.name):
        assert remedy in message
    assert build(raw_copy, tmp_path / "some", *VAL, "--max-missing-fraction", 0.9).status == 0
    assert reasons(tmp_path / "some", raw_copy, "vqav2") == {("val", "media_missing"): number}
    assert build(raw_copy, tmp_path / "keep", *VAL, "--missing-images", "keep").status == 0
    verify(tmp_path / "keep", raw_copy)
    paths = Counter(record.images[0].path for record in records_of(tmp_path / "keep"))
    assert paths[f"coco/val2014/{path.name}"] == number


def test_an_image_root_that_is_missing_is_refused(raw, tmp_path, build):
    root = tmp_path / "nowhere"
    message = build(raw, tmp_path / "out", *VAL, "--image-root", f"coco={root}").message
    assert f"--image-root coco={root}: no such folder" in message


HOSTILE_PATHS = [
    "../../../../../../../../../../etc/passwd",
    "/etc/passwd",
    "../../scienceqa/problems.json",
    "train2014/../../../../etc/passwd",
    "..",
    ".",
    "",
    "a\\..\\b",
    "a\nb.jpg",
    "\u202egpj.exe",
    "a\0b",
    "~/.ssh/id_rsa",
    "file:///etc/passwd",
    "http://169.254.169.254/latest",
    "gs://bucket/x.jpg",
    "x" * 5_000,
]


@pytest.mark.parametrize("images", ["reference", "embed"])
@pytest.mark.parametrize("field", ["filename", "filepath"])
def test_paths_of_captioned_images_do_not_lead_out_of_their_folder(
    field, images, raw_copy, tmp_path, build, edit_json, verify, records_of
):
    def spoil(document):
        train = [row for row in document["images"] if row["split"] in ("train", "restval")]
        for row, path in zip(train, HOSTILE_PATHS, strict=False):
            row[field] = path

    edit_json(raw_copy / "coco_caption/dataset_coco.json", spoil)
    out = tmp_path / "out"
    options = ("--sources", "coco_caption", "--images", images, *ALL_ALLOWED)
    outcome = build(raw_copy, out, *options)
    assert outcome.status == 0, outcome.err
    entry = verify(out, raw_copy).split("coco_caption", "train")
    assert sum(entry.rejected.values()) == 5 * len(HOSTILE_PATHS)
    assert set(entry.rejected) <= {"unsafe_path", "media_missing", "media_unreadable"}
    assert entry.rejected["unsafe_path"] >= 5 * 5
    for record in records_of(out):
        (image,) = record.images
        assert image.path.startswith(("coco/train2014/", "coco/val2014/"))
        assert ".." not in image.path


@pytest.mark.parametrize("images", ["reference", "embed"])
def test_paths_of_school_images_do_not_lead_out_of_their_folder(
    images, raw_copy, tmp_path, build, edit_json, verify, records_of
):
    def spoil(document):
        problems = [row for row in document.values() if row["image"]]
        for row, path in zip(problems, HOSTILE_PATHS, strict=False):
            row["image"] = path

    edit_json(raw_copy / "scienceqa/problems.json", spoil)
    out = tmp_path / "out"
    options = ("--sources", "scienceqa", "--images", images, *ALL_ALLOWED)
    assert build(raw_copy, out, *options).status == 0
    splits = verify(out, raw_copy).splits["scienceqa"].values()
    lost = Counter()
    for entry in splits:
        lost.update(entry.rejected)
    assert lost.total() == len(HOSTILE_PATHS) - 1  # an empty name is no image, and filtered
    assert set(lost) <= {"unsafe_path", "media_missing", "media_unreadable"}
    assert all(r.images[0].path.endswith("/image.png") for r in records_of(out))


@pytest.mark.parametrize("kind", ["file", "folder", "chain"])
@pytest.mark.parametrize("images", ["reference", "embed"])
def test_links_do_not_lead_out_of_their_folder(
    kind, images, raw_copy, tmp_path, build, reasons, records_of
):
    secret = tmp_path / "secret"
    secret.mkdir()
    path, number = a_image(raw_copy)
    shutil.copy(path, secret / path.name)
    if kind == "folder":
        shutil.copytree(path.parent, secret / "val2014")
        shutil.rmtree(path.parent)
        path.parent.symlink_to(secret / "val2014")
        number = 14
    else:
        path.unlink()
        target = secret / path.name
        if kind == "chain":
            (path.parent / "inner.jpg").symlink_to(target)
            target = path.parent / "inner.jpg"
        path.symlink_to(target)
    out = tmp_path / "out"
    options = (*VAL, "--images", images, "--max-reject-fraction", 1)
    assert build(raw_copy, out, *options).status == 0
    assert reasons(out, raw_copy, "vqav2") == {("val", "unsafe_path"): number}


def test_links_within_a_collection_and_linked_collections_are_sound(
    raw_copy, tmp_path, build, built, records_of
):
    disk = tmp_path / "disk"
    shutil.move(raw_copy / "images", disk)
    (raw_copy / "images").symlink_to(disk)
    path, _ = a_image(raw_copy)
    path.rename(path.parent / "real.jpg")
    path.symlink_to("real.jpg")
    out = tmp_path / "out"
    assert build(raw_copy, out, *VAL).status == 0
    theirs = {record.record_id for record in records_of(built, "vqav2", "val")}
    assert {record.record_id for record in records_of(out)} == theirs


def test_a_folder_is_no_image(raw_copy, tmp_path, build, reasons):
    path, number = a_image(raw_copy)
    path.unlink()
    path.mkdir()
    out = tmp_path / "out"
    assert build(raw_copy, out, *VAL, "--max-reject-fraction", 1).status == 0
    assert reasons(out, raw_copy, "vqav2") == {("val", "media_unreadable"): number}


# --- templates


HOSTILE = [
    "{{ question }}{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
    "{{ 'a' * 2000000000 }}",
    "{{ question|center(2000000000) }}",
    "{{ 9**9**9 }}",
    "{{ question.__class__.__mro__ }}",
    "{{ question['__class__'] }}",
    "{{ ''.join }}",
    "{% import 'os' as os %}{{ question }}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{% set x = question %}{{ x }}",
    "{% macro m() %}{{ question }}{% endmacro %}{{ m() }}",
    "{{ lipsum(n=1000) }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ question|attr('__class__') }}",
    "{{ self }}",
    "{{ nosuchfield }}",
    "{{ question",
    "{% if question %}",
    "x" * 10_000,
    "{{ question }}" + "{% if question %}" * 500 + "{% endif %}" * 500,
    "{% for turn in dialog %}{{ turn.__class__ }}{% endfor %}",
]


@pytest.fixture
def template_file(tmp_path):
    def template_file(text, name="video_qa.yaml"):
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        return folder

    return template_file


def task_file(instruction):
    return json.dumps(
        {
            "task": "video_qa",
            "sources": ["msvd_qa"],
            "target": "{{ answer }}",
            "templates": [{"id": "video_qa.bad.1", "instruction": instruction}],
        }
    )


@pytest.mark.parametrize("instruction", HOSTILE, ids=range(len(HOSTILE)))
def test_templates_outside_the_closed_language_are_refused(
    instruction, template_file, raw, tmp_path, build, run
):
    folder = template_file(task_file(instruction))
    message = build(raw, tmp_path / "out", "--template-dir", folder).message
    assert f"templates in {folder} cannot be used, " in message
    assert "video_qa.yaml: video_qa.bad.1: " in message
    assert not (tmp_path / "out").exists()
    for command in (("list",), ("preview", "--raw", raw)):
        assert run("templates", *command, "--template-dir", folder).status == 2
    linted = run("templates", "lint", "--template-dir", folder)
    assert linted.status == 1
    assert "video_qa.bad.1" in linted.out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "layout"),
        ("[", "yaml"),
        ("- 1", "layout"),
        ("task: nope\ntarget: x\ntemplates: [{id: a, instruction: b}]", "task"),
        ("task: video_qa\ntarget: x\ntemplates: []", "layout"),
        ("!!python/object/apply:os.system ['true']", "yaml"),
        ("a: &a [*a]", "yaml"),
        ("[" * 20_000, "yaml"),
        ("x: '" + "y" * 2_000_000 + "'", "yaml"),
        ("task: video_qa\ntask: video_qa", "yaml"),
    ],
    ids=range(10),
)
def test_template_files_that_cannot_be_read_are_named(
    text, reason, template_file, raw, tmp_path, build, run
):
    folder = template_file(text)
    message = build(raw, tmp_path / "out", "--template-dir", folder).message
    assert "video_qa.yaml" in message
    assert reason in message.rsplit("[", 1)[-1] or reason in message
    linted = run("templates", "lint", "--template-dir", folder)
    assert linted.status == 1
    assert "Traceback" not in linted.err


def test_a_template_folder_that_is_missing_is_refused(raw, tmp_path, build):
    message = build(raw, tmp_path / "out", "--template-dir", tmp_path / "nothing").message
    assert "no such folder; give a folder or one of instruct, plain, task_dataset_prefix" in message
    (tmp_path / "empty").mkdir()
    message = build(raw, tmp_path / "out", "--template-dir", tmp_path / "empty").message
    assert "no *.yaml files; write one file a task" in message


def test_a_template_folder_without_template_for_a_source_rejects_its_rows(
    raw, tmp_path, build, template_file
):
    folder = template_file(task_file("See: {{ question }}"))
    message = build(raw, tmp_path / "out", "--sources", "vqav2", "--template-dir", folder).message
    assert "no_template" in message
    assert "no template for vqav2" in message


def test_a_template_that_fails_on_an_edge_case_is_refused_before_a_row_is_read(
    raw, tmp_path, build, template_file
):
    folder = template_file(task_file("{% if not question %}{{ question }}{% endif %}"))
    message = build(raw, tmp_path / "out", "--sources", "msvd_qa", "--template-dir", folder).message
    assert "video_qa.yaml: video_qa.bad.1: instruction: instruction renders blank" in message
    assert not (tmp_path / "out").exists()


# --- options


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--limit", 0), "--limit: "),
        (("--limit", -3), "--limit: "),
        (("--limit", "x"), "argument --limit: invalid int value: 'x'"),
        (("--images", "foo"), "argument --images: invalid choice: 'foo'"),
        (("--image-root", "nonsense"), "--image-root 'nonsense' is not NAME=DIR"),
        (("--image-root", "=x"), "--image-root '=x' is not NAME=DIR"),
        (("--image-root", "coco="), "--image-root 'coco=' is not NAME=DIR"),
        (("--image-root", "cocoo=/x"), "unknown collection 'cocoo', did you mean 'coco'?"),
        (("--sources", "vqav3"), "unknown source 'vqav3', did you mean 'vqav2'?"),
        (("--sources", "vqav2;msvd_qa"), "unknown source 'vqav2;msvd_qa'"),
        (("--sources", ","), "--sources names nothing; leave it out to take all"),
        (("--splits", ""), "--splits is empty; give a value, or leave it out"),
        (("--splits", " ,"), "--splits names nothing; leave it out to take all"),
        (("--splits", "trian"), "unknown split 'trian', did you mean 'train'?"),
        (("--max-memory", 3), "--max-memory: "),
        (("--max-memory", "5 apples"), "--max-memory: '5 apples' is not a size"),
        (("--max-memory", "-1GB"), "--max-memory"),
        (("--image-max-side", 5, "--images", "embed"), "--image-max-side: "),
        (("--image-max-side", 64), "image_max_side needs images embed"),
        (("--images", "embed", "--missing-images", "keep"), "keep needs images reference"),
        (("--missing-images", "ignore"), "--missing-images: invalid choice: 'ignore'"),
        (("--max-reject-fraction", 1.5), "--max-reject-fraction: "),
        (("--max-reject-fraction", "nan"), "--max-reject-fraction: "),
        (("--max-missing-fraction", -0.1), "--max-missing-fraction: "),
        (("--seed", "x"), "argument --seed: invalid int value: 'x'"),
        (("--seed", 1.5), "argument --seed: invalid int value: '1.5'"),
        (("--max-reject-fracton", 0.2), "unknown option --max-reject-fracton, did you mean"),
        (("--image-maxside=64",), "did you mean '--image-max-side'?"),
        (("--direct_num_worker=2",), "did you mean '--direct_num_workers'?"),
        (("extra",), "unexpected argument 'extra'"),
        (("--mixture", "nothing.yaml"), "mixture file nothing.yaml cannot be read"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_options_that_cannot_be_used_are_named(options, reason, raw, tmp_path, build):
    outcome = build(raw, tmp_path / "out", *options)
    assert outcome.status == 2
    assert reason in outcome.message
    assert list(tmp_path.iterdir()) == []


def test_all_invalid_values_are_reported_at_once(raw, tmp_path, build):
    message = build(raw, tmp_path / "out", "--limit", 0, "--max-memory", 3).message
    assert "--limit: " in message
    assert "; --max-memory: " in message
