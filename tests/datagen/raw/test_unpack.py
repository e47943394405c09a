import gzip
from pathlib import Path
from typing import Any

import pytest

from datagen.errors import RawDataError
from datagen.files import LocalFiles
from datagen.raw.gather import open_raw
from datagen.raw.unpack import open_unpacked


def test_gzip_is_unpacked_whatever_the_files_name(tmp_path: Path) -> None:
    text = b'[{"id": 1}, {"id": 2}]' * 1_000
    path = tmp_path / "questions.json"
    path.write_bytes(gzip.compress(text))
    files = LocalFiles()
    for _ in range(2):
        with open_raw(files, str(path)) as file:
            file.seek(22)
            assert file.read(22) == text[22:44]
            assert file.seek(0, 2) == len(text)


def test_gathered_files_may_be_gzip(tmp_path: Path) -> None:
    for name, data in {"a": b'{"id": 1}', "b": gzip.compress(b'{"id": 2}')}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.json").write_bytes(data)
    lines = open_raw(LocalFiles(), f"{tmp_path}/*/data.json").read().splitlines()
    assert lines == [b'{"path":"a/data.json","row":{"id": 1}}', b'{"path":"b/data.json","row":{"id": 2}}']  # fmt: skip


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: data[:20] + b"x" + data[21:]]
)
def test_corrupt_gzip_is_named(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "questions.json"
    path.write_bytes(damage(gzip.compress(bytes(range(256)) * 50)))
    with pytest.raises(
        RawDataError, match=r"questions.json is a gzip file that cannot be unpacked"
    ):
        open_unpacked(LocalFiles(), str(path))


@pytest.mark.parametrize(
    ("data", "description"),
    [
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", r"is a web page \(HTML\)"),
        (b"\xef\xbb\xbf  <HTML lang='en'>Sign in", r"is a web page \(HTML\)"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "is a Git LFS pointer"),
        (b"PK\x03\x04\x14\0\0\0", "is a zip archive; unpack it"),
    ],
)
def test_what_is_no_data_file_is_named(tmp_path: Path, data: bytes, description: str) -> None:
    path = tmp_path / "questions.json"
    path.write_bytes(data)
    message = rf"questions\.json {description}.*, not the publisher's file; download it again"
    with pytest.raises(RawDataError, match=message):
        open_raw(LocalFiles(), str(path))


def test_a_dataset_of_gzip_files_is_that_of_the_plain_ones(raw: Any, build: Any, ask: Any) -> None:
    raw.coco(1)
    raw.vqa([ask(n) for n in range(40)])
    plain = build("plain")
    for path in (raw.root / "vqav2").iterdir():
        path.write_bytes(gzip.compress(path.read_bytes()))
    packed = build("packed")
    assert packed.manifest.splits == plain.manifest.splits
    assert packed.manifest.inputs == plain.manifest.inputs
